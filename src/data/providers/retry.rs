//! When to try again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::base::rng::Stream;

/// A longer wait than this between two tries is never made up by doubling.
const LONGEST: f64 = 60.0;
/// A provider that asks for more patience than this is not waited for.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// The wait before try `number` (the second is 1): doubled each time, and between half and all of
/// that, so that requests that failed together do not come back together.
pub fn backoff(first: f64, number: u32, seed: u64, address: &str) -> Duration {
    let full = (first * 2f64.powi(number.saturating_sub(1).min(30) as i32)).min(LONGEST);
    let jitter = Stream::new(seed, &format!("retry/{address}/{number}")).uniform();
    Duration::from_secs_f64(full * (0.5 + 0.5 * jitter))
}

/// What a `Retry-After` asks for: seconds, or a date as in RFC 9110, section 5.6.7.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(1e9)));
    }
    let then = UNIX_EPOCH + Duration::from_secs(date(value)?);
    Some(then.duration_since(now).unwrap_or(Duration::ZERO))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970.
fn date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let day: u64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = MONTHS.iter().position(|name| name == month)? as u64 + 1;
    let year: u64 = year.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let clock: Vec<u64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [hours, minutes, seconds] = clock.as_slice() else { return None };
    if *hours > 23 || *minutes > 59 || *seconds > 60 {
        return None;
    }
    // Days of the proleptic Gregorian calendar, with years that begin in March.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    Some(days * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_jitter_and_are_the_same_for_the_same_address() {
        for number in 1..12 {
            let wait = backoff(1.0, number, 7, "a").as_secs_f64();
            let full = 2f64.powi(number as i32 - 1).min(60.0);
            assert!((full / 2.0..=full).contains(&wait), "{number}: {wait}");
            assert_eq!(backoff(1.0, number, 7, "a"), backoff(1.0, number, 7, "a"));
        }
        assert_ne!(backoff(1.0, 3, 7, "a"), backoff(1.0, 3, 7, "b"));
    }

    #[test]
    fn a_provider_says_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_700);
        let after = |value| retry_after(value, now);
        assert_eq!(after("20"), Some(Duration::from_secs(20)));
        assert_eq!(after(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(77)));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for bad in ["", "soon", "-1", "NaN", "Sun, 06 Nob 1994 08:49:37 GMT", "a b c d e GMT"] {
            assert_eq!(after(bad), None, "{bad}");
        }
    }
}
