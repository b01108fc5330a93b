//! Pieces of work done by several hands at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::data::providers::{ProviderError, Stop};

/// How often the caller is asked to look around while nothing comes.
const TICK: Duration = Duration::from_millis(100);

/// What a hand has to say: of a piece, or of itself when it cannot even begin.
pub type Report<R> = (Option<usize>, Result<R, ProviderError>);

/// Has `task` done for each piece. Every hand is made by `hire` on a thread of its own. `each` gets the
/// results on the caller's thread, in the order they come, and `None` from time to time; after an
/// error of its, no new piece is begun, and what was on its way is still told.
pub fn work<T, W, R, E>(
    pieces: &[T],
    hands: usize,
    stop: &Stop,
    hire: impl Fn() -> Result<W, ProviderError> + Sync,
    task: impl Fn(&mut W, &T) -> Result<R, ProviderError> + Sync,
    mut each: impl FnMut(Option<Report<R>>) -> Result<(), E>,
) -> Result<(), E>
where
    T: Sync,
    R: Send,
{
    let next = AtomicUsize::new(0);
    // No hand begins another piece before its last one is taken: what a kill can lose stays small.
    let (sender, reports) = sync_channel::<Report<R>>(0);
    let mut first = Ok(());
    std::thread::scope(|scope| {
        for _ in 0..hands.clamp(1, pieces.len().max(1)) {
            let (sender, next, hire, task) = (sender.clone(), &next, &hire, &task);
            scope.spawn(move || {
                let mut hand = match hire() {
                    Ok(hand) => hand,
                    Err(error) => {
                        let _ = sender.send((None, Err(error)));
                        return;
                    }
                };
                while !stop.is_set() {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(piece) = pieces.get(index) else { return };
                    // The caller listens until all hands are gone.
                    let _ = sender.send((Some(index), task(&mut hand, piece)));
                }
            });
        }
        drop(sender);
        loop {
            let result = match reports.recv_timeout(TICK) {
                Ok(report) => each(Some(report)),
                Err(RecvTimeoutError::Timeout) => each(None),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Err(error) = result {
                stop.set();
                if first.is_ok() {
                    first = Err(error);
                }
            }
        }
    });
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once_and_all_on_their_way_are_told() {
        let pieces: Vec<usize> = (0..50).collect();
        let stop = Stop::default();
        let mut seen = vec![0; pieces.len()];
        let hire = || Ok(());
        let task = |(): &mut (), piece: &usize| Ok(*piece);
        let result: Result<(), ()> = work(&pieces, 4, &stop, hire, task, |report| {
            if let Some((Some(index), Ok(piece))) = report {
                assert_eq!(index, piece);
                seen[index] += 1;
            }
            Ok(())
        });
        assert!(result.is_ok() && seen.iter().all(|count| *count == 1));

        let (mut told, begun) = (0, AtomicUsize::new(0));
        let task = |(): &mut (), piece: &usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            Ok(*piece)
        };
        let result = work(&pieces, 3, &Stop::default(), hire, task, |report| {
            told += usize::from(matches!(report, Some((Some(_), Ok(_)))));
            if told > 0 { Err("enough") } else { Ok(()) }
        });
        assert_eq!(result, Err("enough"));
        assert_eq!(told, begun.load(Ordering::SeqCst));
    }
}
