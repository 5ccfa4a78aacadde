//! The Dowker complex of parts × channels, kept up to date part by part.
//!
//! Computed on the channel side: channels are vertices, and each part contributes the simplex of its
//! channels. By Dowker's theorem this is homotopy-equivalent to the complex on the part side, in
//! which parts with a common channel form a simplex, so both have the same χ and β0 (theory: Dowker
//! 1952; nLab "Dowker's theorem"; Brun and Grinberg, arXiv 2407.15454). A part touches at most
//! 2⁸ - 1 faces, however large the body.

use std::collections::BTreeMap;

use crate::channel::Channel;
use crate::limits::{BODY_CHANNELS_MAX, PART_CHANNELS_MAX};

/// Faces with the number of parts that span them, and what follows from them.
///
/// χ is additive over faces that appear and vanish; components are merged when a part is added
/// (union-find with one label per vertex) and only the touched one is rebuilt when a part goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Complex {
    slots: BTreeMap<Channel, u8>,
    vertices: Vec<Vertex>,
    faces: BTreeMap<Face, u32>,
    euler: i64,
    components: u32,
}

/// A channel in its slot; slots are reused.
#[derive(Clone, Debug)]
struct Vertex {
    /// `None` if the slot is free.
    channel: Option<Channel>,
    /// The slot after which its component is called.
    label: u8,
    /// The slots it shares an edge with, one bit each.
    near: [u64; BODY_CHANNELS_MAX.div_ceil(64)],
}

/// A set of one to eight slots: ascending bytes, the last repeated to fill all eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Face([u8; PART_CHANNELS_MAX]);

impl Face {
    fn slots(self) -> impl Iterator<Item = u8> {
        let bytes = self.0;
        (0..bytes.len())
            .filter(move |&n| n == 0 || bytes[n] != bytes[n - 1])
            .map(move |n| bytes[n])
    }
}

/// All faces of the simplex on `slots` (ascending, one to eight), each with its dimension plus one.
fn faces_of(slots: &[u8]) -> impl Iterator<Item = (Face, u32)> {
    (1_u32..1 << slots.len()).map(move |mask| {
        let mut face = [0; PART_CHANNELS_MAX];
        let mut len = 0;
        for (n, &slot) in slots.iter().enumerate() {
            if mask & 1 << n != 0 {
                face[len..].fill(slot);
                len += 1;
            }
        }
        (Face(face), mask.count_ones())
    })
}

/// What a face with `size` vertices adds to χ.
const fn sign(size: u32) -> i64 {
    if size % 2 == 1 { 1 } else { -1 }
}

impl Complex {
    /// How many channels there are.
    pub(crate) fn channels(&self) -> usize {
        self.slots.len()
    }

    /// Whether it has this channel.
    pub(crate) fn has(&self, channel: &Channel) -> bool {
        self.slots.contains_key(channel)
    }

    /// χ: even-dimensional faces less odd-dimensional ones.
    pub(crate) fn euler(&self) -> i64 {
        self.euler
    }

    /// β0.
    pub(crate) fn components(&self) -> u32 {
        self.components
    }

    /// Every face as its channels, sorted, and how many parts span it; sorted.
    pub(crate) fn faces(&self) -> Vec<(Vec<Channel>, u32)> {
        let channels = |face: Face| {
            let mut channels: Vec<_> = face
                .slots()
                .filter_map(|slot| self.vertices[usize::from(slot)].channel)
                .collect();
            channels.sort_unstable();
            channels
        };
        let mut faces: Vec<_> = self
            .faces
            .iter()
            .map(|(&f, &parts)| (channels(f), parts))
            .collect();
        faces.sort_unstable();
        faces
    }

    /// Adds the simplex of a part.
    ///
    /// `channels` are distinct and at most [`PART_CHANNELS_MAX`]; with those there are already they
    /// are at most [`BODY_CHANNELS_MAX`]. The caller has checked both.
    pub(crate) fn add(&mut self, channels: &[Channel]) {
        let mut slots: Vec<u8> = channels.iter().map(|channel| self.slot(*channel)).collect();
        slots.sort_unstable();
        let Some(&first) = slots.first() else { return };
        for (face, size) in faces_of(&slots) {
            let parts = self.faces.entry(face).or_insert(0);
            *parts += 1;
            if *parts == 1 {
                self.euler += sign(size);
                self.join(face, size, true);
            }
        }
        let label = self.vertices[usize::from(first)].label;
        for slot in slots {
            let other = self.vertices[usize::from(slot)].label;
            if other != label {
                self.components -= 1;
                for vertex in &mut self.vertices {
                    if vertex.label == other {
                        vertex.label = label;
                    }
                }
            }
        }
    }

    /// Takes the simplex of a part out again; `channels` are those it was added with.
    pub(crate) fn remove(&mut self, channels: &[Channel]) {
        let mut slots: Vec<u8> = channels
            .iter()
            .filter_map(|channel| self.slots.get(channel).copied())
            .collect();
        slots.sort_unstable();
        let mut torn = false;
        for (face, size) in faces_of(&slots) {
            let Some(parts) = self.faces.get_mut(&face) else {
                continue;
            };
            *parts -= 1;
            if *parts == 0 {
                self.faces.remove(&face);
                self.euler -= sign(size);
                self.join(face, size, false);
                torn |= size <= 2;
            }
        }
        if torn && let Some(&first) = slots.first() {
            self.rebuild(self.vertices[usize::from(first)].label);
        }
    }

    /// The slot of a channel; a new channel takes the first free one and is a component of its own.
    fn slot(&mut self, channel: Channel) -> u8 {
        if let Some(&slot) = self.slots.get(&channel) {
            return slot;
        }
        let free = self
            .vertices
            .iter()
            .position(|vertex| vertex.channel.is_none());
        let at = free.unwrap_or(self.vertices.len());
        let slot = u8::try_from(at).expect("the caller keeps to BODY_CHANNELS_MAX, at most 256");
        let vertex = Vertex {
            channel: Some(channel),
            label: slot,
            near: Default::default(),
        };
        match self.vertices.get_mut(at) {
            Some(place) => *place = vertex,
            None => self.vertices.push(vertex),
        }
        self.slots.insert(channel, slot);
        self.components += 1;
        slot
    }

    /// Marks the ends of an edge that appeared or vanished as near or far.
    fn join(&mut self, face: Face, size: u32, near: bool) {
        if size != 2 {
            return;
        }
        let (a, b) = (usize::from(face.0[0]), usize::from(face.0[1]));
        for (from, to) in [(a, b), (b, a)] {
            let (word, bit) = (&mut self.vertices[from].near[to / 64], 1 << (to % 64));
            if near {
                *word |= bit;
            } else {
                *word &= !bit;
            }
        }
    }

    /// Frees the slots of a component that lost their vertex and labels what is left anew.
    fn rebuild(&mut self, label: u8) {
        let mut rest: Vec<usize> = Vec::new();
        for slot in 0..self.vertices.len() {
            let Some(channel) = self.vertices[slot].channel else {
                continue;
            };
            if self.vertices[slot].label != label {
                continue;
            }
            let byte = self.slots[&channel];
            if self.faces.contains_key(&Face([byte; PART_CHANNELS_MAX])) {
                rest.push(slot);
            } else {
                self.vertices[slot].channel = None;
                self.slots.remove(&channel);
            }
        }
        self.components -= 1;
        let mut seen = [false; BODY_CHANNELS_MAX];
        for start in rest {
            if seen[start] {
                continue;
            }
            seen[start] = true;
            self.components += 1;
            let name = self.slots[&self.vertices[start].channel.expect("`rest` is not free")];
            let mut open = vec![start];
            while let Some(slot) = open.pop() {
                self.vertices[slot].label = name;
                for (to, seen) in seen.iter_mut().enumerate() {
                    if !*seen && self.vertices[slot].near[to / 64] & 1 << (to % 64) != 0 {
                        *seen = true;
                        open.push(to);
                    }
                }
            }
        }
    }
}
