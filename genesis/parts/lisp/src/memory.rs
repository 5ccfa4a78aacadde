//! The slab's memory: on the target all that the module does not use itself, natively a vector.

/// The words of the slab.
#[cfg(target_arch = "wasm32")]
pub type Memory = crate::vc::Slab;

/// The words of the slab.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug)]
pub struct Memory {
    words: Vec<u32>,
    max: usize,
}

#[cfg(not(target_arch = "wasm32"))]
impl Memory {
    /// A slab that may grow to so many words.
    pub fn new(max: usize) -> Self {
        Self {
            words: vec![0; max.min(8192)],
            max,
        }
    }

    /// Where the slab begins within an OS page; natively at its start.
    #[expect(clippy::unused_self, reason = "on the target it is asked of the slab")]
    pub fn address(&self) -> usize {
        0
    }

    /// The words.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The words, to be written.
    pub fn words_mut(&mut self) -> &mut [u32] {
        &mut self.words
    }

    /// Makes the slab at least so many words long, if it may grow that far.
    pub fn grow(&mut self, words: usize) -> bool {
        if words > self.max {
            return false;
        }
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
        true
    }
}
