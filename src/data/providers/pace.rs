//! How fast a provider may be asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Requests and tokens of the last minute, against what may be.
#[derive(Debug, Default)]
pub struct Pace {
    requests: Option<u32>,
    tokens: Option<u64>,
    /// When, and with how many tokens.
    sent: VecDeque<(Instant, u64)>,
    /// The provider asked for silence until then.
    silent: Option<Instant>,
}

impl Pace {
    pub fn new(requests: Option<u32>, tokens: Option<u64>) -> Pace {
        Pace { requests, tokens, ..Pace::default() }
    }

    /// Lets a request through, or says how long to wait before asking again. A request of more
    /// tokens than a minute has goes when nothing else is counted.
    pub fn admit(&mut self, now: Instant, tokens: u64) -> Result<(), Duration> {
        if let Some(until) = self.silent
            && until > now
        {
            return Err(until - now);
        }
        while self.sent.front().is_some_and(|(at, _)| now.duration_since(*at) >= MINUTE) {
            self.sent.pop_front();
        }
        let many = self.requests.is_some_and(|most| self.sent.len() >= most as usize);
        let used: u64 = self.sent.iter().map(|(_, tokens)| tokens).sum();
        let much = self.tokens.is_some_and(|most| used > 0 && used + tokens > most);
        if let (true, Some((first, _))) = (many || much, self.sent.front()) {
            return Err(MINUTE.saturating_sub(now.duration_since(*first)));
        }
        if self.requests.is_some() || self.tokens.is_some() {
            self.sent.push_back((now, tokens));
        }
        Ok(())
    }

    /// Nothing is sent until then: a provider that says `Retry-After` means all requests.
    pub fn silence(&mut self, until: Instant) {
        self.silent = self.silent.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_so_many_requests() {
        let mut pace = Pace::new(Some(2), None);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.admit(at(0), 1), Ok(()));
        assert_eq!(pace.admit(at(10), 1), Ok(()));
        assert_eq!(pace.admit(at(20), 1), Err(Duration::from_secs(40)));
        assert_eq!(pace.admit(at(60), 1), Ok(()));
        assert_eq!(pace.admit(at(61), 1), Err(Duration::from_secs(9)));
    }

    #[test]
    fn a_minute_holds_so_many_tokens_and_silence_comes_first() {
        let mut pace = Pace::new(None, Some(100));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.admit(at(0), 500), Ok(()), "alone, too large a one goes");
        assert_eq!(pace.admit(at(1), 1), Err(Duration::from_secs(59)));
        assert_eq!(pace.admit(at(60), 60), Ok(()));
        assert_eq!(pace.admit(at(61), 40), Ok(()));
        pace.silence(at(200));
        assert_eq!(pace.admit(at(190), 1), Err(Duration::from_secs(10)));
        assert_eq!(pace.admit(at(200), 1), Ok(()));
    }
}
