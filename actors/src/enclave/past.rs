//! What was called since the last save, so that it can be called again.

use genesis::channel::Channel;
use genesis::refusal::Code;

use crate::behaviour::Fault;
use crate::sandbox::Givers;

/// Calls in their order, in one run of bytes: for each `length u32 ‖ channel (length u8, name) ‖ input
/// (length u32, bytes) ‖ answers (length u32, bytes each)`. Never stored, so it has no version.
#[derive(Debug, Default)]
pub(super) struct Past {
    bytes: Vec<u8>,
    /// Where the last call begins.
    last: usize,
    turns: u32,
}

/// One call of the past.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) channel: Channel,
    pub(super) input: &'a [u8],
    answers: &'a [u8],
}

impl Past {
    pub(super) const fn turns(&self) -> u32 {
        self.turns
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// A call begins; what it is answered follows.
    pub(super) fn begin(&mut self, channel: Channel, input: &[u8]) {
        self.last = self.bytes.len();
        self.turns += 1;
        self.bytes.extend_from_slice(&[0; 4]);
        let name = channel.as_str().as_bytes();
        // A channel's name has at most 31 bytes.
        self.bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        self.bytes.extend_from_slice(name);
        self.put(input);
    }

    /// A call out of the sandbox was answered with this.
    pub(super) fn answered(&mut self, answer: &[u8]) {
        self.put(answer);
    }

    fn put(&mut self, bytes: &[u8]) {
        // Inputs and answers are bounded far below four gibibytes.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(bytes);
        let whole = u32::try_from(self.bytes.len() - self.last).unwrap_or(u32::MAX);
        self.bytes[self.last..self.last + 4].copy_from_slice(&whole.to_le_bytes());
    }

    /// Forgets the last call.
    pub(super) fn undo_last(&mut self) {
        if self.turns == 0 {
            return;
        }
        self.bytes.truncate(self.last);
        self.turns -= 1;
        self.last = 0;
        let mut at = 0;
        while at < self.bytes.len() {
            self.last = at;
            at += self.length_at(at);
        }
    }

    fn length_at(&self, at: usize) -> usize {
        let mut len = [0; 4];
        len.copy_from_slice(&self.bytes[at..at + 4]);
        u32::from_le_bytes(len) as usize
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.last = 0;
        self.turns = 0;
    }

    /// All calls, oldest first.
    pub(super) fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= self.bytes.len() {
                return None;
            }
            let call = &self.bytes[at + 4..at + self.length_at(at)];
            at += self.length_at(at);
            let (name, rest) = call[1..].split_at(usize::from(call[0]));
            let channel = std::str::from_utf8(name).ok()?.parse().ok()?;
            let (input, answers) = next(rest)?;
            Some(Call {
                channel,
                input,
                answers,
            })
        })
    }
}

/// The next run of bytes after its length, and what follows it.
fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

/// Answers calls as they were answered before.
pub(super) struct Replayed<'a>(&'a [u8]);

impl<'a> Replayed<'a> {
    pub(super) const fn of(call: &Call<'a>) -> Self {
        Self(call.answers)
    }
}

impl Givers for Replayed<'_> {
    fn give(&mut self, channel: Channel, _: &[u8], answer: &mut Vec<u8>) -> Result<(), Fault> {
        let Some((bytes, rest)) = next(self.0) else {
            return Err(Fault::new(
                Code::Internal,
                format!("a repeated turn calls `{channel}`, which it did not call before"),
            ));
        };
        answer.extend_from_slice(bytes);
        self.0 = rest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Call = (Vec<u8>, Vec<Vec<u8>>);

    fn written(calls: &[Call]) -> Past {
        let mut past = Past::default();
        for (input, answers) in calls {
            past.begin(Channel::MAIN, input);
            for answer in answers {
                past.answered(answer);
            }
        }
        past
    }

    fn read(past: &Past) -> Vec<Call> {
        past.calls()
            .map(|call| {
                let mut rest = call.answers;
                let mut answers = Vec::new();
                while let Some((answer, after)) = next(rest) {
                    answers.push(answer.to_vec());
                    rest = after;
                }
                assert_eq!(call.channel, Channel::MAIN);
                (call.input.to_vec(), answers)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_was_called_is_called_again(calls: Vec<Call>) {
            prop_assert_eq!(read(&written(&calls)), calls);
        }

        #[test]
        fn what_is_undone_was_never_called(calls: Vec<Call>, undone in 0_usize..4) {
            let mut past = written(&calls);
            for _ in 0..undone {
                past.undo_last();
            }
            let left = calls.len().saturating_sub(undone);
            prop_assert_eq!(read(&past), &calls[..left]);
            prop_assert_eq!(past.turns() as usize, left);
        }
    }
}
