//! The joint vocabulary: which ids are text, which are codes of a medium, which are control.
//!
//! Built from the tokenizer's added tokens and the manifest's layout, and verified: ids are
//! never assumed, since the published models were trained in several runs.

use std::collections::{BTreeMap, HashMap};

use super::BundleError;
use super::manifest::{MediumLayout, SpanLength, VocabularyLayout};
use super::tokenizer_file::TokenizerFile;
use crate::base::Medium;

/// The tokens of one medium. The id of code value `v` is `first + v`.
#[derive(Debug, Clone, PartialEq)]
pub struct MediumTokens {
    pub start: u32,
    pub end: u32,
    /// The id of code value 0.
    pub first: u32,
    pub codebook_size: u32,
    /// Layers that take turns within a frame: position `i` of a span is of layer
    /// `i % codebooks`, whose values are `layer * codebook_size ..`.
    pub codebooks: u32,
    pub length: SpanLength,
}

impl MediumTokens {
    /// How many different code values there are, over all codebooks.
    pub fn codes(&self) -> u32 {
        self.codebook_size.saturating_mul(self.codebooks)
    }

    /// The ids of the codes that may stand at position `index` of a span.
    pub fn ids_at(&self, index: usize) -> std::ops::Range<u32> {
        let layer = (index % self.codebooks.max(1) as usize) as u32;
        let first = self.first + layer * self.codebook_size;
        first..first + self.codebook_size
    }
}

/// The ids of a bundle's vocabulary.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    size: usize,
    added: HashMap<String, u32>,
    text: Vec<bool>,
    media: Vec<(Medium, MediumTokens)>,
}

impl Vocabulary {
    /// Verifies the added tokens of a tokenizer against the layout.
    pub(super) fn new(
        file: &TokenizerFile,
        layout: &VocabularyLayout,
    ) -> Result<Self, BundleError> {
        let failed = |reason: String| BundleError::Vocabulary { path: file.path.clone(), reason };
        let added: HashMap<String, u32> =
            file.added.iter().map(|token| (token.content.clone(), token.id)).collect();
        let mut text = vec![false; file.size()];
        for id in file.model_ids() {
            text[id as usize] = true;
        }
        for token in &file.added {
            text[token.id as usize] = false;
        }
        let mut media = Vec::new();
        for (medium, layout) in layout.media.iter() {
            let tokens = find(medium, layout, &added).map_err(failed)?;
            media.push((medium, tokens));
        }
        let vocabulary = Vocabulary { size: file.size(), added, text, media };
        vocabulary.check_overlap().map_err(failed)?;
        Ok(vocabulary)
    }

    /// The number of ids, which is one more than the largest.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The id of an added token by its exact text, such as `<eoh>`.
    pub fn added(&self, token: &str) -> Option<u32> {
        self.added.get(token).copied()
    }

    /// The text of an added token, for messages: it is searched for.
    pub fn name_of(&self, id: u32) -> Option<&str> {
        self.added.iter().find(|(_, other)| **other == id).map(|(name, _)| name.as_str())
    }

    /// Whether an id is a piece of plain text.
    pub fn is_text(&self, id: u32) -> bool {
        self.text.get(id as usize).copied().unwrap_or(false)
    }

    /// For every id, whether it is a piece of plain text.
    pub fn text_mask(&self) -> &[bool] {
        &self.text
    }

    /// The media that the vocabulary has tokens of.
    pub fn media(&self) -> impl Iterator<Item = (Medium, &MediumTokens)> {
        self.media.iter().map(|(medium, tokens)| (*medium, tokens))
    }

    pub fn tokens(&self, medium: Medium) -> Option<&MediumTokens> {
        self.media().find(|(other, _)| *other == medium).map(|(_, tokens)| tokens)
    }

    /// What a code token stands for: the medium and the code value over all codebooks.
    pub fn medium_of(&self, id: u32) -> Option<(Medium, u32)> {
        self.media().find_map(|(medium, tokens)| {
            let code = id.checked_sub(tokens.first)?;
            (code < tokens.codes()).then_some((medium, code))
        })
    }

    /// The id of a code value.
    pub fn id(&self, medium: Medium, code: u32) -> Option<u32> {
        let tokens = self.tokens(medium)?;
        (code < tokens.codes()).then(|| tokens.first + code)
    }

    /// The medium whose span this id starts.
    pub fn started_by(&self, id: u32) -> Option<Medium> {
        self.media().find(|(_, tokens)| tokens.start == id).map(|(medium, _)| medium)
    }

    fn check_overlap(&self) -> Result<(), String> {
        let mut owner: BTreeMap<u32, Medium> = BTreeMap::new();
        for (medium, tokens) in self.media() {
            let ids =
                (tokens.first..tokens.first + tokens.codes()).chain([tokens.start, tokens.end]);
            for id in ids {
                if let Some(other) = owner.insert(id, medium) {
                    return Err(format!("the id {id} belongs to {other} and to {medium}"));
                }
            }
        }
        Ok(())
    }
}

fn find(
    medium: Medium,
    layout: &MediumLayout,
    added: &HashMap<String, u32>,
) -> Result<MediumTokens, String> {
    let id = |token: &str| {
        added.get(token).copied().ok_or_else(|| {
            format!("it has no token `{token}`, which the manifest's layout of {medium} needs")
        })
    };
    let code = |code: u32| format!("<{}{code}>", layout.prefix);
    let count = layout.codes();
    let first = id(&code(0))?;
    for value in 0..count {
        let found = id(&code(value))?;
        if found.checked_sub(value) != Some(first) {
            return Err(format!(
                "the codes of {medium} are not one ascending run: `{}` has the id {first} and \
                 `{}` the id {found}",
                code(0),
                code(value)
            ));
        }
    }
    if added.contains_key(&code(count)) {
        return Err(format!(
            "the manifest gives {medium} {count} codes but there is a token `{}`",
            code(count)
        ));
    }
    let (start, end) = (id(&layout.start)?, id(&layout.end)?);
    Ok(MediumTokens {
        start,
        end,
        first,
        codebook_size: layout.codebook_size,
        codebooks: layout.codebooks,
        length: layout.length,
    })
}
