//! The macro behind the registries of sources, transforms and sinks.

/// Declares every component of one sort: its module, its config key and its place in the config
/// enum. A component is one module with a `Config` that is both its configuration and its factory.
///
/// The modules are declared here too, so a new component is one new file or folder and one line.
/// (`cargo fmt` does not look into macros; `scripts/fmt` formats every file.)
macro_rules! registry {
    (
        $(#[$meta:meta])*
        $name:ident: $factory:path;
        $( $(#[$doc:meta])* $module:ident => $variant:ident, )+
    ) => {
        $( pub mod $module; )+

        $(#[$meta])*
        // There is one of each in a run.
        #[allow(clippy::large_enum_variant)]
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $( $(#[$doc])* $variant($module::Config), )+
        }

        impl $name {
            /// Every config key, in alphabetical order.
            pub const KINDS: &'static [&'static str] = &[$( stringify!($module), )+];

            /// The config key of this component.
            pub fn kind(&self) -> &'static str {
                match self {
                    $( $name::$variant(_) => stringify!($module), )+
                }
            }

            /// The component's factory.
            pub fn into_factory(self) -> Box<dyn $factory> {
                match self {
                    $( $name::$variant(config) => Box::new(config), )+
                }
            }
        }
    };
}
pub(crate) use registry;
