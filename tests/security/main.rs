//! What nobody else should see: secrets in what the program writes, and files that others can read.

mod permissions;
mod program;
mod refuse;
mod secrets;
