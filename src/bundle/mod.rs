//! Model bundles: a manifest, and the files it names, in a folder or inside the binary.
//!
//! A bundle is the only place where model families differ. This layer reads it, checks it and
//! hands out what the networks need (configurations, weights) and what the runtime needs
//! (vocabulary, prompt format, defaults); it runs nothing.

mod component;
pub mod embedded;
mod error;
pub mod evaluator;
pub mod evaluator_manifest;
pub mod manifest;
mod manifest_check;
mod prompt;
mod safetensors_file;
mod sentencepiece;
mod source;
mod text_tokenizer;
mod tokenizer_file;
mod torch;
mod vocabulary;
mod weights;
mod weights_file;
mod weights_shards;
mod weights_writer;

use std::sync::{Arc, OnceLock};

pub use component::{Component, Role as ComponentRole};
pub use error::BundleError;
pub use evaluator::Evaluator;
pub use evaluator_manifest::EvaluatorManifest;
pub use manifest::Manifest;
pub use prompt::{Prompt, PromptBuilder, PromptPart, Sample, Turn};
pub use source::{Blob, MANIFEST, Search, Source};
pub use text_tokenizer::{Piece, TextStream, TextTokenizer};
pub use vocabulary::{MediumTokens, Vocabulary};
pub use weights::Weights;
pub use weights_file::TensorInfo;
pub use weights_writer::Form;

use crate::base::Medium;
use crate::base::hash::Digest;
use tokenizer_file::TokenizerFile;

/// An opened bundle. Cheap to clone; everything is loaded when it is asked for.
#[derive(Clone)]
pub struct Bundle(Arc<Inner>);

struct Inner {
    source: Source,
    manifest: Manifest,
    manifest_digest: Digest,
    text: OnceLock<(Vocabulary, TextTokenizer)>,
}

impl Bundle {
    /// Opens what `--model` names, in the usual places.
    pub fn find(wanted: &str) -> Result<Self, BundleError> {
        Self::open(Search::from_environment().find(wanted)?)
    }

    /// The same, with all files that the manifest says where to get.
    pub fn find_whole(wanted: &str) -> Result<Self, BundleError> {
        let bundle = Self::find(wanted)?;
        let missing: Vec<_> = bundle.missing_sources().collect();
        match missing.first() {
            None => Ok(bundle),
            Some(first) => Err(BundleError::NotPulled {
                path: wanted.to_string(),
                help: format!(
                    "{} files of this model are not here, such as `{first}`; fetch them: \
                     agpt models pull {wanted}",
                    missing.len()
                ),
            }),
        }
    }

    /// Opens a bundle; only the manifest is read.
    pub fn open(source: Source) -> Result<Self, BundleError> {
        let path = source.display(MANIFEST);
        let bytes = source.read(MANIFEST)?.ok_or_else(|| BundleError::NotABundle {
            path: path.trim_end_matches(MANIFEST).to_string(),
            reason: format!("it has no {MANIFEST}"),
        })?;
        Self::described(&bytes, source)
    }

    /// A bundle whose manifest is given: for files in a folder that has none.
    pub fn described(manifest: &[u8], source: Source) -> Result<Self, BundleError> {
        let (path, bytes) = (source.display(MANIFEST), manifest);
        let text = std::str::from_utf8(bytes).map_err(|error| BundleError::Manifest {
            path: path.clone(),
            message: format!("it is not UTF-8 text: {error}"),
        })?;
        let manifest = Manifest::parse(text, &path)?;
        let manifest_digest = Digest::of(bytes);
        let inner = Inner { source, manifest, manifest_digest, text: OnceLock::new() };
        Ok(Bundle(Arc::new(inner)))
    }

    /// The same description of files in another place.
    pub fn relocated(&self, source: Source) -> Self {
        let (manifest, manifest_digest) = (self.0.manifest.clone(), self.0.manifest_digest);
        Bundle(Arc::new(Inner { source, manifest, manifest_digest, text: OnceLock::new() }))
    }

    pub fn name(&self) -> &str {
        &self.0.manifest.name
    }

    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    pub fn source(&self) -> &Source {
        &self.0.source
    }

    pub fn llm(&self) -> Component {
        let spec = self.0.manifest.components.llm.clone();
        Component::new(self, ComponentRole::Llm, spec)
    }

    /// The network that turns a medium into tokens.
    pub fn tokenizer(&self, medium: Medium) -> Result<Component, BundleError> {
        let known = &self.0.manifest.components.tokenizers;
        let spec = known.get(medium).ok_or_else(|| {
            self.lacks(format!("{medium} tokenizer"), "be given to it", known.iter())
        })?;
        Ok(Component::new(self, ComponentRole::Tokenizer(medium), spec.clone()))
    }

    /// The network that turns tokens into a medium.
    pub fn detokenizer(&self, medium: Medium) -> Result<Component, BundleError> {
        let known = &self.0.manifest.components.detokenizers;
        let spec = known.get(medium).ok_or_else(|| {
            self.lacks(format!("{medium} de-tokenizer"), "be generated with it", known.iter())
        })?;
        Ok(Component::new(self, ComponentRole::Detokenizer(medium), spec.clone()))
    }

    fn lacks<'a, T: 'a>(
        &self,
        what: String,
        doing: &str,
        known: impl Iterator<Item = (Medium, &'a T)>,
    ) -> BundleError {
        let media: Vec<_> = known.map(|(medium, _)| medium.name()).collect();
        let media = if media.is_empty() { "only text".into() } else { media.join(", ") };
        BundleError::NoComponent {
            bundle: self.name().to_string(),
            what,
            help: format!("{media} can {doing}; for more use another model (--model)"),
        }
    }

    /// All components, the language model first.
    pub fn components(&self) -> Vec<Component> {
        let components = &self.0.manifest.components;
        let mut all = vec![self.llm()];
        for (medium, spec) in components.tokenizers.iter() {
            all.push(Component::new(self, ComponentRole::Tokenizer(medium), spec.clone()));
        }
        for (medium, spec) in components.detokenizers.iter() {
            all.push(Component::new(self, ComponentRole::Detokenizer(medium), spec.clone()));
        }
        all
    }

    /// The joint vocabulary, verified against the manifest; read once.
    pub fn vocabulary(&self) -> Result<&Vocabulary, BundleError> {
        Ok(&self.text()?.0)
    }

    pub fn text_tokenizer(&self) -> Result<&TextTokenizer, BundleError> {
        Ok(&self.text()?.1)
    }

    /// What writes conversations as this model was trained to read them.
    pub fn prompt_builder(&self) -> Result<PromptBuilder<'_>, BundleError> {
        let (vocabulary, tokenizer) = self.text()?;
        Ok(PromptBuilder { format: &self.0.manifest.prompt, tokenizer, vocabulary })
    }

    fn text(&self) -> Result<&(Vocabulary, TextTokenizer), BundleError> {
        if let Some(text) = self.0.text.get() {
            return Ok(text);
        }
        let layout = &self.0.manifest.vocabulary;
        let source = &self.0.source;
        let read = |path: &str, key: &str| self.vocabulary_file(path, key);
        let bytes = read(&layout.tokenizer, "tokenizer")?;
        let path = source.display(&layout.tokenizer);
        let file = if layout.tokenizer.ends_with(".model") {
            let added = layout.added_tokens.as_deref();
            let added = added.map(|path| read(path, "added_tokens")).transpose()?;
            TokenizerFile::parse_sentencepiece(&bytes, added.as_deref(), &path, layout.legacy)?
        } else {
            TokenizerFile::parse(&bytes, &path, layout.legacy)?
        };
        let vocabulary = Vocabulary::new(&file, layout)?;
        let text = (vocabulary, TextTokenizer::new(file, layout.legacy));
        Ok(self.0.text.get_or_init(|| text))
    }

    /// A file that the manifest's `vocabulary` names.
    fn vocabulary_file(&self, path: &str, key: &str) -> Result<Blob, BundleError> {
        self.0.source.read(path)?.ok_or_else(|| BundleError::MissingFile {
            bundle: self.name().to_string(),
            path: path.to_string(),
            help: format!("`vocabulary.{key}` of the manifest names it"),
        })
    }

    /// The hash of the files that say which token has which id, as hexadecimal digits: of the
    /// tokenizer, or of it and its `added_tokens.json`, which has the ids of the media.
    pub fn vocabulary_digest(&self) -> Result<String, BundleError> {
        let layout = &self.0.manifest.vocabulary;
        let tokenizer = Digest::of(&self.vocabulary_file(&layout.tokenizer, "tokenizer")?).hex();
        let Some(added) = &layout.added_tokens else { return Ok(tokenizer) };
        let added = Digest::of(&self.vocabulary_file(added, "added_tokens")?).hex();
        Ok(Digest::of(format!("{tokenizer}{added}").as_bytes()).hex())
    }

    /// The text tokenizer as one `tokenizer.json`, also where the bundle has it as a SentencePiece model.
    pub fn tokenizer_json(&self) -> Result<serde_json::Value, BundleError> {
        let layout = &self.0.manifest.vocabulary;
        let (source, path) = (&self.0.source, &layout.tokenizer);
        let bytes = self.vocabulary_file(path, "tokenizer")?;
        let failed = |reason| BundleError::Tokenizer { path: source.display(path), reason };
        if !path.ends_with(".model") {
            return serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()));
        }
        let read = |path: &str| self.vocabulary_file(path, "added_tokens");
        let added = layout.added_tokens.as_deref().map(read).transpose()?;
        tokenizer_file::json_of_sentencepiece(&bytes, added.as_deref(), layout.legacy)
            .map_err(failed)
    }

    /// The files of the manifest's `sources` that are not there, as paths below the bundle.
    pub fn missing_sources(&self) -> impl Iterator<Item = String> {
        let sources = self.0.manifest.sources.iter();
        let paths = sources.flat_map(|source| source.files.iter().map(|file| source.here(file)));
        paths.filter(|path| !self.0.source.has_or_has_converted(path))
    }

    /// Compares every file that the manifest has a hash of with it, and gives the number of
    /// files compared. `progress` is told each file before it is read.
    pub fn verify(&self, mut progress: impl FnMut(&str)) -> Result<usize, BundleError> {
        let mut count = 0;
        for component in self.components() {
            count += component.verify(&mut progress)?;
        }
        Ok(count)
    }

    /// The digest of the manifest's text.
    pub fn manifest_digest(&self) -> Digest {
        self.0.manifest_digest
    }
}
