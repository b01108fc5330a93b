//! Which tokens are added, and the manifest that says so.

use std::path::Path;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::bundle::manifest::MediumLayout;
use crate::bundle::{Bundle, MANIFEST, Source};
use crate::train::TrainError;
use crate::train::export::model_name;

/// `image`, or `image=1024` with another size of its codebook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Medium {
    medium: crate::base::Medium,
    codebook_size: Option<u32>,
}

impl FromStr for Medium {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, size) = text.split_once('=').map_or((text, None), |(a, b)| (a, Some(b)));
        let size = size.map(|size| size.parse().ok().filter(|size| (1..1 << 20).contains(size)));
        let medium = crate::base::Medium::from_name(name).filter(|m| m.name() != "text");
        match (medium, size) {
            (Some(medium), None) => Ok(Medium { medium, codebook_size: None }),
            (Some(medium), Some(size @ Some(_))) => Ok(Medium { medium, codebook_size: size }),
            _ => {
                Err("expected image, speech or music, or one with a size such as image=8192".into())
            }
        }
    }
}

/// The media of a model, and everything else that its manifest says of tokens.
#[derive(Debug)]
pub struct Layout {
    roles: Vec<String>,
    media: Vec<(crate::base::Medium, MediumLayout)>,
    /// The manifest of the model that the layout is from.
    manifest: Map<String, Value>,
}

impl Layout {
    /// The layout of a model, cut down to `media` if there are any.
    pub fn of(model: &str, media: &[Medium], roles: &[String]) -> Result<Self, TrainError> {
        let bundle = Bundle::find(model)?;
        let bytes = bundle.source().read(MANIFEST)?.unwrap_or(crate::bundle::Blob::Embedded(&[]));
        let path = bundle.source().display(MANIFEST);
        let manifest = crate::base::yaml::read(&String::from_utf8_lossy(&bytes));
        let manifest: Map<String, Value> = manifest.map_err(|error| TrainError::Recipe {
            path,
            message: error.without_snippet().to_string(),
        })?;
        let known = &bundle.manifest().vocabulary.media;
        let mut chosen = Vec::new();
        for (medium, layout) in known.iter() {
            let wanted = media.iter().find(|wanted| wanted.medium == medium);
            if media.is_empty() || wanted.is_some() {
                let mut layout = layout.clone();
                let size = wanted.and_then(|wanted| wanted.codebook_size);
                layout.codebook_size = size.unwrap_or(layout.codebook_size);
                chosen.push((medium, layout));
            }
        }
        if let Some(lacking) = media.iter().find(|wanted| known.get(wanted.medium).is_none()) {
            return Err(TrainError::Input {
                message: format!("the layout of `{model}` has no {}", lacking.medium),
                help: "choose other media, or another model with --layout",
            });
        }
        Ok(Layout { roles: roles.to_vec(), media: chosen, manifest })
    }

    /// The tokens in the order of their ids.
    pub fn tokens(&self) -> Vec<String> {
        let mut tokens = self.roles.clone();
        for (_, layout) in &self.media {
            tokens.extend((0..layout.codes()).map(|code| format!("<{}{code}>", layout.prefix)));
            tokens.extend([layout.start.clone(), layout.end.clone()]);
        }
        tokens
    }

    /// A checkpoint's folder as a model without media: what its files are read by.
    pub fn bundle_of(&self, source: Source) -> Result<Bundle, TrainError> {
        let mut manifest = self.language_model("checkpoint");
        manifest.insert("vocabulary".into(), json!({ "tokenizer": "tokenizer.json" }));
        let text = serde_json::to_string(&manifest).map_err(|e| TrainError::Write(e.into()))?;
        Ok(Bundle::described(text.as_bytes(), source)?)
    }

    /// The manifest of a model that is the language model alone.
    pub fn manifest(&self, out: &Path) -> Result<String, TrainError> {
        let mut manifest = self.language_model(&model_name(out));
        if let Some(Value::Object(vocabulary)) = manifest.get_mut("vocabulary") {
            vocabulary.insert("tokenizer".into(), json!("tokenizer.json"));
            vocabulary.shift_remove("added_tokens");
            if let Some(Value::Object(media)) = vocabulary.get_mut("media") {
                media.retain(|name, _| self.media.iter().any(|(medium, _)| medium.name() == name));
                for (medium, layout) in &self.media {
                    media[medium.name()]["codebook_size"] = json!(layout.codebook_size);
                }
            }
        }
        let text = serde_saphyr::to_string(&manifest);
        text.map_err(|error| TrainError::Write(std::io::Error::other(error.to_string())))
    }

    fn language_model(&self, name: &str) -> Map<String, Value> {
        let mut manifest = self.manifest.clone();
        let described = "A LLaMA checkpoint with tokens for media: a start for `agpt train`";
        manifest.insert("name".into(), json!(name));
        manifest.insert("description".into(), json!(described));
        manifest.insert("license".into(), json!("that of the checkpoint"));
        let llm = json!({ "architecture": "llama", "path": "." });
        manifest.insert("components".into(), json!({ "llm": llm }));
        manifest.shift_remove("sources");
        if let Some(marks) = manifest.get_mut("prompt").and_then(|prompt| prompt.get_mut("marks"))
            && let Some(marks) = marks.as_array_mut()
        {
            marks.retain(|mark| self.roles.iter().any(|role| mark == role));
        }
        manifest
    }
}
