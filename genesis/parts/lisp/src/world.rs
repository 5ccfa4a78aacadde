//! What a turn can ask of the medium.

use crate::vc::{Contact, Context};

/// The medium, as the part sees it: inside a module its channels, in tests a stand-in.
pub trait World {
    /// `medium/context`.
    fn context(&mut self) -> Context;
    /// `medium/named`.
    fn named(&mut self, name: &[u8]) -> Option<Contact>;
    /// `medium/keep`.
    fn keep(&mut self, contact: Contact) -> Contact;
    /// `medium/id`.
    fn id(&mut self, contact: Contact) -> [u8; 32];
    /// `medium/random`.
    fn random(&mut self) -> u64;
    /// `medium/send`, the request laid out.
    fn send(&mut self, request: &[u8]) -> u64;
    /// `medium/forward`.
    fn forward(&mut self, contact: Contact) -> u64;
    /// `medium/hand`, one contact.
    fn hand(&mut self, sequence: u64, contact: Contact);
    /// `medium/emit`.
    fn emit(&mut self, text: &[u8]);
    /// `medium/after`.
    fn after(&mut self, delay_ms: u64, tag: u64);
    /// `medium/spawn`, the request laid out.
    fn spawn(&mut self, request: &[u8]) -> Contact;
    /// `medium/fork`, with all that is left.
    fn fork(&mut self) -> Contact;
    /// `medium/stop`.
    fn stop(&mut self);
    /// `contents/read`, at most as much as `into` holds; answers how much it was.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> usize;
}
