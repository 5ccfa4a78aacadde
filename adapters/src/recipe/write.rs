//! New recipes: what the wizard and its flags write.

use super::{External, Json, Recipe, RecipeError, Wanted};

/// What a new pod's recipe says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPod {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who made it.
    pub author: String,
    /// Which version it is.
    pub version: String,
    /// Whether it is shared when it is persisted.
    pub public: bool,
    /// The command line.
    pub exec: String,
    /// What is fetched for it; none: its own directory `payload`.
    pub payload: Vec<External>,
}

/// What a new task's recipe says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTask {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who made it.
    pub author: String,
    /// Which version it is.
    pub version: String,
    /// Whether it is shared when it is persisted.
    pub public: bool,
    /// Its pods, in their order: references, or directories as `./count`.
    pub pods: Vec<String>,
}

impl NewPod {
    /// The recipe.
    ///
    /// # Errors
    /// [`RecipeError::Invalid`] if it cannot be run.
    pub fn recipe(&self) -> Result<Recipe, RecipeError> {
        let payload = if self.payload.is_empty() {
            Json::text("payload")
        } else {
            Json::List(self.payload.iter().map(of_external).collect())
        };
        let golem = Json::Object(vec![
            ("exec".to_owned(), Json::text(&self.exec)),
            ("script".to_owned(), Json::text("script")),
            ("payload".to_owned(), payload),
            ("output".to_owned(), Json::text("output")),
            ("logs".to_owned(), Json::text("logs")),
        ]);
        let about = [&self.name, &self.description, &self.author, &self.version];
        written(about, self.public, ("golem", golem))
    }
}

impl NewTask {
    /// The recipe.
    ///
    /// # Errors
    /// [`RecipeError::Invalid`] if it cannot be run.
    pub fn recipe(&self) -> Result<Recipe, RecipeError> {
        let pods = Json::List(self.pods.iter().map(Json::text).collect());
        let about = [&self.name, &self.description, &self.author, &self.version];
        written(about, self.public, ("pods", pods))
    }
}

/// What nobody said is left out, but for the name.
fn written(
    about: [&String; 4],
    public: bool,
    (kind, body): (&str, Json),
) -> Result<Recipe, RecipeError> {
    let keys = ["name", "description", "author", "version"];
    let said = keys.iter().zip(about);
    let said = said.filter(|(key, text)| **key == "name" || !text.is_empty());
    let mut entries: Vec<_> = said
        .map(|(key, text)| ((*key).to_owned(), Json::text(text)))
        .collect();
    entries.push(("public".to_owned(), Json::Flag(public)));
    entries.push((kind.to_owned(), body));
    let text = Json::Object(entries).pretty();
    Recipe::parse(super::RECIPE_JSON, text.as_bytes())
}

fn of_external(external: &External) -> Json {
    let reference = Json::text(&external.reference);
    Json::Object(match &external.wanted {
        Wanted::Data(path) => vec![
            ("ref".to_owned(), reference),
            ("data".to_owned(), Json::text(path.as_str())),
        ],
        Wanted::Files(paths) => vec![
            ("pod".to_owned(), reference),
            (
                "files".to_owned(),
                Json::List(paths.iter().map(|path| Json::text(path.as_str())).collect()),
            ),
        ],
    })
}
