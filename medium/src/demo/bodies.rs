//! Steps of the tour about code that nobody here wrote: a Lisp, and limbs that are offered to a robot.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Tour, arrow, expect, wrong};

/// The limbs that are offered, and what the robot thinks of them.
const LIMBS: [(&str, &str); 5] = [
    ("limb-v1", "adopt"),
    ("limb-v2", "fault"),
    ("limb-v3", "untestable"),
    ("limb-v4", "denied"),
    ("limb-boaster", "fault"),
];

impl Tour<'_> {
    pub(super) async fn lisp(&mut self) -> Result<()> {
        let said = "(cons '4 '(9 16 25 36 49))";
        let reply = self.ask("lisp", said).await?;
        expect("the Lisp", &reply, "(4 9 16 25 36 49)")?;
        self.step(
            "lisp",
            &arrow(said, &reply),
            json!({ "sent": said, "reply": reply }),
        )
    }

    /// Tries each limb in a throw-away copy of the robot, which is not touched.
    pub(super) async fn limbs(&mut self) -> Result<()> {
        let mut tried = Vec::new();
        for (limb, expected) in LIMBS {
            let offered = json!({ "part": { "wasm": limb }, "role": "limb" });
            let path = ["v1", "vcs", "robot", "try"];
            let trial: Value = self.client()?.post(&path, &offered).await?;
            let refusal = &trial["verdict"]["refuse"];
            let verdict = refusal["code"]
                .as_str()
                .or_else(|| trial["verdict"].as_str())
                .unwrap_or_default();
            expect(limb, verdict, expected)?;
            let why = refusal["what"].as_str().unwrap_or("adopted").to_owned();
            tried.push((limb, why));
        }
        let shown: Vec<_> = tried
            .iter()
            .map(|(limb, why)| json!({ "limb": limb, "verdict": why }))
            .collect();
        let mut lines = tried.iter().map(|(limb, why)| format!("{limb}: {why}"));
        let first = lines.next().ok_or_else(|| wrong("no limb was tried"))?;
        self.step("limbs", &first, json!({ "tried": shown }))?;
        lines.try_for_each(|line| self.also(&line))
    }
}
