//! Servers that speak OpenAI's protocol: chat completions, pictures, speech.
//!
//! The protocol is that of platform.openai.com/docs/api-reference; vLLM, llama.cpp, Ollama and others
//! speak its chat completions, and several speech servers its `audio/speech`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};

use super::http::{Answer, Http, Secret};
use super::pace::Pace;
use super::retry::{self, PATIENCE};
use super::{Meter, Openai, ProviderError, Stop, Usage};

/// Bytes of a token in the least; for bounds before the server has counted.
const BYTES_PER_TOKEN: u64 = 3;

/// A server, with its pace.
pub struct Client {
    pub config: Openai,
    http: Http,
    pace: Mutex<Pace>,
    meter: Arc<Meter>,
    stop: Arc<Stop>,
    seed: u64,
}

/// A reply of a language model.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub content: String,
    /// Whether it was ended by the limit on its tokens.
    pub cut_off: bool,
}

/// What came of one try.
enum Outcome {
    Done(Answer),
    /// Whether the server named the wait.
    Again(String, Option<Duration>),
}

impl Client {
    /// Reads the key; `seed` is of the waits between tries.
    pub fn new(
        config: &Openai,
        meter: Arc<Meter>,
        stop: Arc<Stop>,
        seed: u64,
    ) -> Result<Client, ProviderError> {
        let key = config.key_env.as_deref().map(Secret::from_environment).transpose()?;
        let timeout = Duration::from_secs_f64(config.timeout_seconds);
        let http = Http::new(&config.url, key, timeout, config.max_response_mib << 20)?;
        let pace = Mutex::new(Pace::new(config.requests_per_minute, config.tokens_per_minute));
        Ok(Client { config: config.clone(), http, pace, meter, stop, seed })
    }

    /// A reply to `messages`. `body` holds further fields of the request.
    pub fn chat(
        &self,
        messages: &[Json],
        body: serde_json::Map<String, Json>,
        max_tokens: u64,
        address: &str,
    ) -> Result<(Reply, Usage), ProviderError> {
        let mut request = json!({ "model": self.config.model, "messages": messages });
        let limit =
            if self.config.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        request[limit] = json!(max_tokens);
        for (name, value) in body {
            request[name] = value;
        }
        let request = request.to_string();
        let most = Usage {
            requests: 1,
            input: request.len() as u64 / BYTES_PER_TOKEN,
            output: max_tokens,
            ..Usage::default()
        };
        let read = |bytes: &[u8]| {
            let answer: Json = serde_json::from_slice(bytes)
                .map_err(|error| format!("the answer is no JSON: {error}"))?;
            let choice = &answer["choices"][0];
            let message = &choice["message"];
            let finish = choice["finish_reason"].as_str().unwrap_or_default();
            let counted = |name: &str| answer["usage"][name].as_u64();
            let content = message["content"].as_str().unwrap_or_default();
            let used = Usage {
                requests: 1,
                input: counted("prompt_tokens").unwrap_or(most.input),
                output: counted("completion_tokens")
                    .unwrap_or(content.len() as u64 / BYTES_PER_TOKEN),
                ..Usage::default()
            };
            if let Some(refusal) = message["refusal"].as_str() {
                return Ok((Err(refusal.to_string()), used));
            }
            if finish == "content_filter" {
                return Ok((Err("its content filter ended the reply".to_string()), used));
            }
            if !message["content"].is_string() {
                return Err("the answer holds no choices[0].message.content".to_string());
            }
            let reply = Reply { content: content.to_string(), cut_off: finish == "length" };
            Ok((Ok(reply), used))
        };
        let (reply, used) = self.ask("chat/completions", &request, most, address, read)?;
        match reply {
            Ok(reply) => Ok((reply, used)),
            Err(refusal) => Err(ProviderError::Refused(shortened(&self.http.hidden(&refusal)))),
        }
    }

    /// The file of a picture.
    pub fn image(&self, prompt: &str, address: &str) -> Result<(Vec<u8>, Usage), ProviderError> {
        let mut request = json!({ "model": self.config.model, "prompt": prompt, "n": 1 });
        if let Some(size) = &self.config.size {
            request["size"] = json!(size);
        }
        if self.config.response_format {
            request["response_format"] = json!("b64_json");
        }
        let request = request.to_string();
        let most = Usage {
            requests: 1,
            input: request.len() as u64 / BYTES_PER_TOKEN,
            ..Usage::default()
        };
        let read = |bytes: &[u8]| {
            let answer: Json = serde_json::from_slice(bytes)
                .map_err(|error| format!("the answer is no JSON: {error}"))?;
            let data = &answer["data"][0]["b64_json"];
            let data = data.as_str().ok_or("the answer holds no data[0].b64_json")?;
            let data = BASE64_STANDARD
                .decode(data)
                .map_err(|_| "data[0].b64_json is no base64".to_string())?;
            // Some models count what they draw in tokens.
            let counted = |name: &str| answer["usage"][name].as_u64();
            let used = Usage {
                requests: 1,
                input: counted("input_tokens").unwrap_or(0),
                output: counted("output_tokens").unwrap_or(0),
                ..Usage::default()
            };
            Ok((data, used))
        };
        self.ask("images/generations", &request, most, address, read)
    }

    /// The file of a text read aloud.
    pub fn speech(
        &self,
        words: &str,
        voice: &str,
        address: &str,
    ) -> Result<(Vec<u8>, Usage), ProviderError> {
        let request = json!({
            "model": self.config.model, "input": words, "voice": voice, "response_format": "wav",
        });
        let characters = words.chars().count() as u64;
        let used = Usage { requests: 1, characters, ..Usage::default() };
        let read = |bytes: &[u8]| match bytes {
            [] => Err("the answer is empty".to_string()),
            bytes => Ok((bytes.to_vec(), used)),
        };
        self.ask("audio/speech", &request.to_string(), used, address, read)
    }

    /// Sends a request until it is answered. `most` bounds what it may use; `read` takes an
    /// answer apart, or says why it is none.
    fn ask<T>(
        &self,
        path: &str,
        request: &str,
        most: Usage,
        address: &str,
        read: impl Fn(&[u8]) -> Result<(T, Usage), String>,
    ) -> Result<(T, Usage), ProviderError> {
        let prices = &self.config.prices;
        let most = most.priced(prices);
        let mut last = String::new();
        for number in 0..self.config.tries {
            if number > 0 {
                let first = self.config.backoff_seconds;
                self.stop.wait(retry::backoff(first, number, self.seed, address))?;
            }
            self.wait_for_turn(most.tokens())?;
            self.meter.reserve(&most, &self.stop)?;
            let outcome = self.send(path, request);
            let (used, result) = match outcome {
                Err(error) => (Usage::default(), Some(Err(error))),
                Ok(Outcome::Again(reason, wait)) => {
                    last = reason;
                    if let Some(wait) = wait {
                        if wait > PATIENCE {
                            self.meter.settle(&most, &Usage::default());
                            break;
                        }
                        self.pace().silence(Instant::now() + wait);
                    }
                    (Usage::default(), None)
                }
                Ok(Outcome::Done(answer)) => match read(&answer.body) {
                    Ok((value, used)) => {
                        let used = used.priced(prices);
                        (used, Some(Ok((value, used))))
                    }
                    // It was answered, so it was paid for; how much nobody says.
                    Err(reason) => {
                        last = reason;
                        let used = Usage { requests: 1, input: most.input, ..Usage::default() };
                        (used.priced(prices), None)
                    }
                },
            };
            self.meter.settle(&most, &used);
            if let Some(result) = result {
                return result;
            }
        }
        Err(ProviderError::Unavailable {
            url: format!("{}/{path}", self.http.url),
            tries: self.config.tries,
            reason: last,
        })
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_turn(&self, tokens: u64) -> Result<(), ProviderError> {
        loop {
            let admitted = self.pace().admit(Instant::now(), tokens);
            match admitted {
                Ok(()) if self.stop.is_set() => return Err(ProviderError::Stopped),
                Ok(()) => return Ok(()),
                Err(wait) => self.stop.wait(wait)?,
            }
        }
    }

    fn send(&self, path: &str, request: &str) -> Result<Outcome, ProviderError> {
        let answer = match self.http.post(path, request) {
            Ok(answer) => answer,
            Err(reason) => return Ok(Outcome::Again(reason, None)),
        };
        if (200..300).contains(&answer.status) {
            return Ok(Outcome::Done(answer));
        }
        let body: Json = serde_json::from_slice(&answer.body).unwrap_or(Json::Null);
        let text = match body["error"]["message"].as_str().or(body["message"].as_str()) {
            Some(text) => text.to_string(),
            None => String::from_utf8_lossy(&answer.body).into_owned(),
        };
        let message = shortened(&self.http.hidden(&text));
        let code = body["error"]["code"].as_str().or(body["error"]["type"].as_str());
        let status = answer.status;
        match (status, code.unwrap_or_default()) {
            (_, "content_policy_violation" | "content_filter" | "moderation_blocked") => {
                Err(ProviderError::Refused(message))
            }
            (400, "context_length_exceeded" | "string_above_max_length") => {
                Err(ProviderError::Invalid { tries: 1, reason: message })
            }
            // Waiting does not fill an account.
            (429, "insufficient_quota") => Err(self.answered(path, status, message)),
            (408 | 409 | 425 | 429 | 500.., _) => {
                let after = answer.retry_after.as_deref();
                let wait = after.and_then(|value| retry::retry_after(value, SystemTime::now()));
                Ok(Outcome::Again(format!("status {status}: {message}"), wait))
            }
            (300..400, _) => {
                let message = "it leads elsewhere; give the address that it leads to".to_string();
                Err(self.answered(path, status, message))
            }
            _ => Err(self.answered(path, status, message)),
        }
    }

    fn answered(&self, path: &str, status: u16, message: String) -> ProviderError {
        ProviderError::Answer { url: format!("{}/{path}", self.http.url), status, message }
    }
}

/// The beginning of a text, on one line.
pub fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
