//! Numbers as people read them, and names that they may have meant.
//!
//! Amounts of data are decimal (1 MB is 1,000,000 bytes), so that they agree with rates and with
//! what disks and networks are sold by.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A count in full, with separators: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count, or rows a second, in three digits: `987`, `12.3 k`, `1.23 M`.
pub fn short(n: f64) -> String {
    scaled(n, ["", "k", "M", "G", "T", "P"])
}

/// An amount of data, or bytes a second, in three digits: `512 B`, `1.23 GB`.
pub fn bytes(n: f64) -> String {
    scaled(n, ["B", "kB", "MB", "GB", "TB", "PB"])
}

fn scaled(n: f64, units: [&str; 6]) -> String {
    let (mut n, mut unit) = (n.max(0.0), 0);
    // What would be rounded to 1000 belongs to the next unit.
    while n >= 999.5 && unit + 1 < units.len() {
        n /= 1000.0;
        unit += 1;
    }
    let decimals = match n {
        _ if unit == 0 || n >= 99.95 => 0,
        _ if n >= 9.995 => 1,
        _ => 2,
    };
    format!("{n:.decimals$} {}", units[unit]).trim_end().to_owned()
}

/// A time: `0.42 s`, `12.3 s`, `3 min 05 s`, `2 h 03 min`.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.995 {
        return format!("{seconds:.2} s");
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    whole_time(duration)
}

/// A time in whole seconds: `17 s`, `3 min 05 s`, `2 h 03 min`.
pub fn whole_time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

/// A moment that is given as RFC 3339 in UTC: `2026-11-25 21:03:05 UTC`.
pub fn moment(rfc3339: &str) -> String {
    match rfc3339.split_once('T').and_then(|(day, time)| Some((day, time.strip_suffix('Z')?))) {
        Some((day, time)) => format!("{day} {time} UTC"),
        None => rfc3339.to_owned(),
    }
}

/// A moment that is given in seconds since 1970.
pub fn moment_of(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok();
    let moment = moment.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let text = moment.and_then(|moment| moment.format(&Rfc3339).ok());
    text.map_or_else(|| format!("second {seconds}"), |text| self::moment(&text))
}

/// `1 row`, `2 rows`, `1,000 rows`.
pub fn plural(n: u64, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Names that are listed, at most.
const LISTED: usize = 20;

/// `did you mean …?`, where one of `known` is close to what was written; always says what is known.
pub fn suggest(written: &str, known: &[&str]) -> Option<String> {
    if known.is_empty() {
        return None;
    }
    let mut list = known.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    if known.len() > LISTED {
        list.push_str(&format!(" and {} more", count((known.len() - LISTED) as u64)));
    }
    let near = known
        .iter()
        .map(|name| (distance(written, name), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance);
    Some(match near {
        Some((_, name)) if known.len() > 1 => {
            format!("did you mean `{name}`? Known here: {list}")
        }
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("known here: {list}"),
    })
}

/// Typing distance; upper case and the way words are joined cost nothing.
fn distance(a: &str, b: &str) -> usize {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    strsim::damerau_levenshtein(&plain(a), &plain(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        let counts = [0, 7, 999, 1000, 123_456, 1_234_567].map(count);
        assert_eq!(counts, ["0", "7", "999", "1,000", "123,456", "1,234,567"]);
        assert_eq!([plural(1, "row"), plural(0, "row")], ["1 row", "0 rows"]);
    }

    #[test]
    fn three_digits_say_enough() {
        let numbers = [0.0, 987.4, 999.7, 12_345.0, 1_234_567.0, 9_999_999.0].map(short);
        assert_eq!(numbers, ["0", "987", "1.00 k", "12.3 k", "1.23 M", "10.0 M"]);
        let sizes = [0.0, 1.0, 1500.0, 536_870_912.0, 4e18].map(bytes);
        assert_eq!(sizes, ["0 B", "1 B", "1.50 kB", "537 MB", "4000 PB"]);
    }

    #[test]
    fn moments_are_read_at_a_glance() {
        assert_eq!(moment("2026-11-25T21:03:05Z"), "2026-11-25 21:03:05 UTC");
        assert_eq!(moment("yesterday"), "yesterday");
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        let times = [0.416, 9.999, 59.96, 185.2, 7380.0].map(Duration::from_secs_f64).map(time);
        assert_eq!(times, ["0.42 s", "10.0 s", "1 min 00 s", "3 min 05 s", "2 h 03 min"]);
    }

    #[test]
    fn near_misses_are_found() {
        let known = ["parallelism", "memory", "batch_rows"];
        for (written, meant) in [
            ("paralellism", "parallelism"),
            ("batchRows", "batch_rows"),
            ("batch-row", "batch_rows"),
            ("Memory", "memory"),
        ] {
            let help = suggest(written, &known).expect("a list is known");
            assert!(help.starts_with(&format!("did you mean `{meant}`?")), "{help}");
        }
        let help = suggest("color", &known).expect("a list is known");
        assert_eq!(help, "known here: parallelism, memory, batch_rows");
    }
}
