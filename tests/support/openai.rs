//! A server that speaks OpenAI's protocol over HTTP/1.1, with faults on demand.
//!
//! It is no language model: what it answers to a prompt is a function of the prompt, so that two runs
//! can be compared. Whether the requests are well formed it checks as the real one does.

#![allow(dead_code)] // each test file is a crate of its own and uses a part

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};

pub const KEY: &str = "sk-test-0123456789";

/// What happens to a request instead of an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    Status(u16, Vec<(&'static str, &'static str)>, Json),
    /// Nothing comes for so long.
    Silence(Duration),
    /// The connection ends in the middle of the body.
    Cut,
    /// The body of an answer with status 200.
    Body(Vec<u8>),
    /// Such a message.
    Message(Json, &'static str),
    /// So many bytes.
    Huge(usize),
}

#[derive(Default)]
struct State {
    faults: Mutex<VecDeque<Fault>>,
    /// Every request: its path, its body, when.
    seen: Mutex<Vec<(String, Json, Instant)>>,
    /// Requests that were answered as they wanted, by path and body.
    answered: Mutex<BTreeMap<String, usize>>,
    wait: Mutex<Duration>,
    now: Mutex<(usize, usize)>,
}

#[derive(Clone)]
pub struct Server {
    pub url: String,
    state: Arc<State>,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = serve(stream, &state);
                });
            }
        });
        Server { url, state }
    }

    /// What the next requests meet, in order.
    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.faults.lock().unwrap().extend(faults);
    }

    /// Each answer takes so long.
    pub fn slow(&self, wait: Duration) {
        *self.state.wait.lock().unwrap() = wait;
    }

    pub fn seen(&self) -> Vec<(String, Json, Instant)> {
        self.state.seen.lock().unwrap().clone()
    }

    /// How often each request was answered as it wanted.
    pub fn answered(&self) -> BTreeMap<String, usize> {
        self.state.answered.lock().unwrap().clone()
    }

    /// The most requests that were there at once.
    pub fn most_at_once(&self) -> usize {
        self.state.now.lock().unwrap().1
    }
}

fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    // Connections are kept, as HTTP/1.1 does.
    while one(&mut reader, stream.try_clone()?, state)? {}
    Ok(())
}

fn one(
    reader: &mut BufReader<TcpStream>,
    mut stream: TcpStream,
    state: &State,
) -> std::io::Result<bool> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_string();
    let (mut length, mut key) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => key = value.trim().to_string(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Json = serde_json::from_slice(&body).unwrap_or(Json::Null);
    state.seen.lock().unwrap().push((path.clone(), body.clone(), Instant::now()));
    {
        let mut now = state.now.lock().unwrap();
        now.0 += 1;
        now.1 = now.1.max(now.0);
    }
    let fault = state.faults.lock().unwrap().pop_front();
    let wait = *state.wait.lock().unwrap();
    std::thread::sleep(wait);
    let done = match fault {
        Some(fault) => meet(&mut stream, fault, &path, &body),
        None if key != format!("Bearer {KEY}") => {
            let message = format!("Incorrect API key provided: {key}");
            let error = json!({ "error": { "message": message, "code": "invalid_api_key" } });
            send(&mut stream, 401, &[], error.to_string().as_bytes())
        }
        None => {
            let (status, bytes) = answer(&path, &body);
            let sent = send(&mut stream, status, &[], &bytes);
            if status == 200 && sent.is_ok() {
                let asked = format!("{path} {body}");
                *state.answered.lock().unwrap().entry(asked).or_default() += 1;
            }
            sent
        }
    };
    state.now.lock().unwrap().0 -= 1;
    done.map(|()| true)
}

fn send(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)
}

fn meet(stream: &mut TcpStream, fault: Fault, path: &str, body: &Json) -> std::io::Result<()> {
    match fault {
        Fault::Status(status, headers, body) => {
            send(stream, status, &headers, body.to_string().as_bytes())
        }
        Fault::Silence(time) => {
            std::thread::sleep(time);
            stream.shutdown(std::net::Shutdown::Both)
        }
        Fault::Cut => {
            let (_, bytes) = answer(path, body);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            stream.write_all(head.as_bytes())?;
            stream.write_all(&bytes[..bytes.len() / 2])?;
            stream.shutdown(std::net::Shutdown::Both)
        }
        Fault::Body(bytes) => send(stream, 200, &[], &bytes),
        Fault::Message(message, finish) => {
            send(stream, 200, &[], completion(message, finish).to_string().as_bytes())
        }
        Fault::Huge(size) => send(stream, 200, &[], &vec![b' '; size]),
    }
}

fn completion(message: Json, finish: &str) -> Json {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150 },
    })
}

/// A number that only the request decides.
fn number(of: &str) -> u32 {
    of.bytes().fold(7u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)))
}

fn answer(path: &str, body: &Json) -> (u16, Vec<u8>) {
    let wrong = |message: &str| {
        let error = json!({ "error": { "message": message, "type": "invalid_request_error" } });
        (400, error.to_string().into_bytes())
    };
    if body["model"].as_str().is_none() {
        return wrong("you must provide a model parameter");
    }
    match path {
        "/v1/chat/completions" => {
            let schema = &body["response_format"]["json_schema"];
            let strict = &schema["schema"]["additionalProperties"];
            let named = schema["name"].is_string() && *strict == json!(false);
            if body["response_format"]["type"] != json!("json_schema") || !named {
                return wrong("response_format");
            }
            if !body["seed"].is_u64() || !body["max_tokens"].is_u64() {
                return wrong("seed and max_tokens");
            }
            let content = reply(body, &schema["schema"]);
            let message = json!({ "role": "assistant", "content": content, "refusal": null });
            (200, completion(message, "stop").to_string().into_bytes())
        }
        "/v1/images/generations" => {
            let Some(prompt) = body["prompt"].as_str() else { return wrong("prompt") };
            if prompt.contains("forbidden") {
                let error = json!({ "error": {
                    "message": "your request was rejected by our safety system",
                    "code": "content_policy_violation",
                } });
                return (400, error.to_string().into_bytes());
            }
            let data = BASE64_STANDARD.encode(picture(number(prompt)));
            (200, json!({ "created": 1, "data": [{ "b64_json": data }] }).to_string().into_bytes())
        }
        "/v1/audio/speech" => {
            let (Some(words), true) = (body["input"].as_str(), body["voice"].is_string()) else {
                return wrong("input and voice");
            };
            (200, sound(number(words)))
        }
        _ => (404, json!({ "error": { "message": "no such address" } }).to_string().into_bytes()),
    }
}

/// What is asked for: turns where the schema has roles, otherwise as many texts as the prompt says.
fn reply(body: &Json, schema: &Json) -> String {
    let prompt = body["messages"].to_string();
    let seed = body["seed"].as_u64().unwrap_or(0);
    let items = &schema["properties"]["value"]["items"];
    let name = number(&prompt).wrapping_add(seed as u32);
    if items["type"] == json!("object") {
        let words = |salt: u32| {
            let words: Vec<String> =
                (0..8).map(|n| format!("w{}", name.wrapping_add(salt * 977 + n * 31))).collect();
            words.join(" ")
        };
        let turn = |role: &str, text: String, media: [Option<String>; 2]| {
            let [image, speech] = media;
            json!({ "role": role, "text": text, "image": image, "speech": speech, "music": null })
        };
        let question = words(1);
        let turns = [
            turn("user", question.clone(), [None, Some(question)]),
            turn("assistant", words(2), [Some(words(3)), None]),
        ];
        return json!({ "value": turns }).to_string();
    }
    let count = prompt.split_whitespace().find_map(|word| word.parse::<u32>().ok()).unwrap_or(1);
    let texts: Vec<String> =
        (0..count).map(|n| format!("thing {} of {n}", name.wrapping_add(n))).collect();
    json!({ "value": texts }).to_string()
}

/// A PNG of one colour.
fn picture(number: u32) -> Vec<u8> {
    let [a, b, c, _] = number.to_le_bytes();
    let image = image::RgbImage::from_pixel(8, 8, image::Rgb([a, b, c]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A tenth of a second of a WAV file.
fn sound(number: u32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    let pitch = 20.0 + f64::from(number % 40);
    for index in 0..1600 {
        let sample = (f64::from(index) * std::f64::consts::TAU / pitch).sin() * 8000.0;
        writer.write_sample(sample as i16).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}
