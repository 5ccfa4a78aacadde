//! A second implementation: messages written from the words of `PROTOCOL.md` (§2 and §5) alone.

use bytes::Bytes;
use genesis::extent::{Dimension, Interval};
use genesis::id::Address;
use genesis::message::{Header, Kind, Message, MessageRef};

pub(crate) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.extend((value.len() as u64).to_le_bytes());
    out.extend(value);
}

pub(crate) fn option<T>(out: &mut Vec<u8>, value: Option<T>, write: impl Fn(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        write(out, value);
    }
}

fn address(out: &mut Vec<u8>, address: &Address) {
    out.extend(address.id.as_bytes());
    out.extend((address.path.len() as u64).to_le_bytes());
    for step in &address.path {
        out.extend(step.to_le_bytes());
    }
}

fn reference(out: &mut Vec<u8>, reference: MessageRef) {
    out.extend(reference.sender.as_bytes());
    out.extend(reference.sequence.to_le_bytes());
}

fn kind(kind: Kind) -> u32 {
    Kind::ALL
        .iter()
        .position(|&k| k == kind)
        .unwrap()
        .try_into()
        .unwrap()
}

/// What a header says, with the maps as lists: these may be out of order.
pub(crate) struct Frame<'a> {
    pub(crate) header: &'a Header,
    pub(crate) extent: Vec<(Dimension, Interval)>,
    pub(crate) metadata: Vec<(String, Bytes)>,
    pub(crate) contents: Option<&'a [u8]>,
}

impl<'a> Frame<'a> {
    pub(crate) fn of(message: &'a Message) -> Self {
        let header = message.header();
        Self {
            header,
            extent: header
                .extent
                .0
                .iter()
                .map(|(d, &i)| (d.clone(), i))
                .collect(),
            metadata: header
                .metadata
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            contents: message.contents().map(|contents| &**contents),
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let h = self.header;
        let mut out = vec![1];
        out.extend(kind(h.kind).to_le_bytes());
        address(&mut out, &h.sender);
        address(&mut out, &h.recipient);
        bytes(&mut out, h.channel.as_str().as_bytes());
        out.extend(h.sequence.to_le_bytes());
        option(&mut out, h.cause, reference);
        option(&mut out, h.answers, reference);
        option(&mut out, h.reply_to.as_ref(), address);
        option(&mut out, h.decoder, |out, digest| out.extend(digest.0));
        out.extend(h.contents.0);
        out.extend(h.contents_bytes.to_le_bytes());
        out.extend((self.extent.len() as u64).to_le_bytes());
        for (axis, interval) in &self.extent {
            bytes(&mut out, axis.to_string().as_bytes());
            out.extend(interval.low.to_le_bytes());
            out.extend(interval.high.to_le_bytes());
        }
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            bytes(&mut out, key.as_bytes());
            bytes(&mut out, value);
        }
        out.extend((h.contacts.len() as u64).to_le_bytes());
        for contact in &h.contacts {
            address(&mut out, contact);
        }
        out.extend(h.sent_at.0.to_le_bytes());
        out.extend(h.expires_at.0.to_le_bytes());
        out.extend(h.postage.to_le_bytes());
        option(&mut out, self.contents, bytes);
        out
    }
}
