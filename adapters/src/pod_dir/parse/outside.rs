//! The program that a VC speaks for, as `vc.json` has it.

use genesis::channel::Channel;
use genesis::limits;

use super::{Field, Fields, Reader, list, whole};
use crate::json::Node;
use crate::outside::Program;
use crate::outside::program::{self, Described};
use crate::pod_dir::error::PodError;
use crate::pod_dir::source::Source;
use crate::pod_dir::{DESCRIPTION_BYTES_MAX, OutsideSpec, PATH_BYTES_MAX};

/// The fields of a program that is not only a command.
pub(in super::super) const OUTSIDE_FIELDS: &[Field] = &[
    ("command", r#"["python3", "agent.py"]"#),
    ("files", r#"["words.txt"]"#),
    ("network", "false"),
    ("tcp", "[8080]"),
    ("secrets", r#"["API_KEY"]"#),
    ("read", r#"["/usr/share/dict"]"#),
    ("timeout_ms", "30000"),
    (
        "channels",
        r#"{"forecast": {"description": "The weather of a place."}}"#,
    ),
];

/// The fields of a channel of a program.
pub(in super::super) const CHANNEL_FIELDS: &[Field] = &[
    ("description", r#""The weather of a place.""#),
    ("parameters", r#"{"type": "object"}"#),
];

impl Reader<'_> {
    /// A program: its command, or an object that says more.
    pub(super) fn outside(
        &mut self,
        node: &Node<'_>,
        source: &Source<'_>,
    ) -> Result<OutsideSpec, PodError> {
        let mut spec = OutsideSpec::default();
        if !node.is_object() {
            self.command(node, source, &mut spec)?;
            if spec.command.is_empty() {
                return Err(PodError::BadProgram {
                    place: node.place(),
                    why: "a command has at least one word".to_owned(),
                });
            }
            return Ok(spec);
        }
        let mut fields = Fields::of(node, OUTSIDE_FIELDS)?;
        if let Some(node) = fields.take("command") {
            self.command(&node, source, &mut spec)?;
        }
        for node in list(&mut fields, "files")? {
            let path = node.string()?;
            let contents = source.contents(&|| node.place(), &path, &mut self.budget)?;
            spec.files.insert(path, contents);
        }
        let network = fields.take("network").map(|node| node.flag()).transpose()?;
        spec.asks.network = network.unwrap_or_default();
        for node in list(&mut fields, "tcp")? {
            let port = node.whole_within(u32::from(u16::MAX))?;
            spec.asks.tcp.push(u16::try_from(port).unwrap_or(u16::MAX));
        }
        for node in list(&mut fields, "secrets")? {
            spec.asks.secrets.push(node.string()?);
        }
        for node in list(&mut fields, "read")? {
            spec.asks.read.push(node.string_within(PATH_BYTES_MAX)?);
        }
        spec.timeout_ms = whole(&mut fields, "timeout_ms")?;
        if let Some(node) = fields.take("channels") {
            for entry in node.object(limits::BODY_CHANNELS_MAX)? {
                let name = entry.key.parse::<Channel>();
                let name = name.map_err(|error| PodError::BadProgram {
                    place: entry.key_node.place(),
                    why: error.to_string(),
                })?;
                spec.channels.insert(name, described(&entry.value)?);
            }
        }
        let check = Program {
            command: spec.command.clone(),
            asks: spec.asks.clone(),
            ..Program::default()
        };
        check.check().map_err(|error| PodError::BadProgram {
            place: node.place(),
            why: error.to_string(),
        })?;
        Ok(spec)
    }

    /// The words of a command; those that name a file of the pod bring it along.
    fn command(
        &mut self,
        node: &Node<'_>,
        source: &Source<'_>,
        spec: &mut OutsideSpec,
    ) -> Result<(), PodError> {
        for (at, node) in node.list(program::WORDS_MAX)?.iter().enumerate() {
            let word = node.string_within(limits::METADATA_VALUE_MAX)?;
            let is_path = program::is_below(&word) && (at > 0 || word.contains('/'));
            if is_path {
                match source.contents(&|| node.place(), &word, &mut self.budget) {
                    Ok(contents) => {
                        spec.files.insert(word.clone(), contents);
                    }
                    Err(PodError::NoSuchFile { .. } | PodError::WrongKind { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            spec.command.push(word);
        }
        Ok(())
    }
}

/// What a channel is for.
fn described(node: &Node<'_>) -> Result<Described, PodError> {
    let mut fields = Fields::of(node, CHANNEL_FIELDS)?;
    let description = fields.need("description")?;
    let parameters = fields.take("parameters").map(|node| node.json());
    let parameters = parameters.transpose()?.map(|json| json.pretty());
    Ok(Described {
        description: description.string_within(DESCRIPTION_BYTES_MAX)?,
        // What was JSON a moment ago.
        parameters: parameters.and_then(|text| serde_json::from_str(&text).ok()),
    })
}
