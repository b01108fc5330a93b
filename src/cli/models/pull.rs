//! `agpt models pull`: the files of a model, from the hub, a mirror, an address or a folder.
//!
//! The manifest is written last, so that a folder with a manifest has all files, and those of which
//! hashes are known are what they should be. Evaluation models have none.

use std::path::{Path, PathBuf};

use crate::base::atomic::write_atomic;
use crate::bundle::manifest::FileSource;
use crate::bundle::{Bundle, BundleError, EvaluatorManifest, MANIFEST, Search, Source};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of a model that is known, or the folder of a manifest
    model: String,
    /// Folder to bring the model to [default: the user's data folder]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Take files from this folder, which holds them as the repositories do
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Address of the hub or of a mirror of it [default: $HF_ENDPOINT, or huggingface.co]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Use only what is in the hub's cache or was fetched before
    #[arg(long)]
    offline: bool,
    /// Copy files out of the hub's cache; without it they are linked
    #[arg(long)]
    copy: bool,
}

pub fn run(args: &Args) -> Result<String, BundleError> {
    if let Some(evaluator) = EvaluatorManifest::known(&args.model)? {
        return pull_evaluator(args, &evaluator);
    }
    let bundle = Bundle::find(&args.model)?;
    let name = bundle.name();
    if bundle.manifest().sources.is_empty() {
        return Ok(format!("{name}: all of it is here; its manifest names no sources\n"));
    }
    let folder = target(args, &bundle)?;
    copy_own_files(&bundle, &folder)?;
    let (fetched, there) = fetch_all(args, &bundle.manifest().sources, &folder)?;
    let pulled = bundle.relocated(Source::Folder(folder.clone()));
    let checked = pulled.verify(|path| eprintln!("checking {path}"))?;
    if let Some(bytes) = bundle.source().read(MANIFEST)? {
        write(&folder.join(MANIFEST), &bytes)?;
    }
    Ok(format!(
        "{name}: {fetched} files fetched, {there} were there, {checked} compared with their hashes; \
         in {}\n",
        folder.display()
    ))
}

/// An evaluation model is its repository's files, and no manifest.
fn pull_evaluator(args: &Args, evaluator: &EvaluatorManifest) -> Result<String, BundleError> {
    let name = &evaluator.name;
    let folder = match &args.to {
        Some(to) => to.clone(),
        None => data_folder(name)?,
    };
    let (fetched, there) = fetch_all(args, &evaluator.sources, &folder)?;
    let folder = folder.display();
    Ok(format!("{name}: {fetched} files fetched, {there} were there; in {folder}\n"))
}

/// Brings the files of `sources` into a folder; how many came, and how many were there.
fn fetch_all(
    args: &Args,
    sources: &[FileSource],
    folder: &Path,
) -> Result<(usize, usize), BundleError> {
    make_folder(folder)?;
    // A folder needs no hub, and no home for its cache.
    let place = match &args.from {
        Some(from) => Place::Folder(from),
        None => Place::Web(Box::new(fetch::Fetcher::new(args)?)),
    };
    let goal = Source::Folder(folder.to_path_buf());
    let (mut fetched, mut there) = (0, 0);
    for source in sources {
        for file in &source.files {
            let path = folder.join(source.here(file));
            if goal.has_or_has_converted(&source.here(file)) {
                there += 1;
                continue;
            }
            // A link into a cache that was emptied.
            if path.is_symlink() {
                let failed =
                    |source| BundleError::Write { path: path.display().to_string(), source };
                std::fs::remove_file(&path).map_err(failed)?;
            }
            make_folder(path.parent().unwrap_or(folder))?;
            match &place {
                Place::Folder(from) => copy(&find_in(from, source, file)?, &path)?,
                Place::Web(fetcher) => fetcher.fetch(source, file, &path, args.copy)?,
            }
            fetched += 1;
        }
    }
    Ok((fetched, there))
}

/// Where files come from.
enum Place<'a> {
    Folder(&'a Path),
    Web(Box<fetch::Fetcher>),
}

/// Where the model goes: the folder that it has already, or one of its name.
fn target(args: &Args, bundle: &Bundle) -> Result<PathBuf, BundleError> {
    match (&args.to, bundle.source()) {
        (Some(to), _) => Ok(to.clone()),
        (None, Source::Folder(folder)) => Ok(folder.clone()),
        (None, Source::Embedded(name)) => data_folder(name),
    }
}

/// Where models are kept that were given no place.
fn data_folder(name: &str) -> Result<PathBuf, BundleError> {
    match Search::from_environment().folders.last() {
        Some(folder) => Ok(folder.join(name)),
        None => Err(BundleError::NotPulled {
            path: name.to_string(),
            help: "there is no data folder; say where to with --to".to_string(),
        }),
    }
}

/// What the bundle brings itself, such as configurations that no repository has.
fn copy_own_files(bundle: &Bundle, folder: &Path) -> Result<(), BundleError> {
    make_folder(folder)?;
    let same = |own: &Path| own.canonicalize().ok() == folder.canonicalize().ok();
    if matches!(bundle.source(), Source::Folder(own) if same(own)) {
        return Ok(());
    }
    for path in bundle.source().list_below(".") {
        let fetched = |source: &FileSource| source.files.iter().any(|f| source.here(f) == path);
        if path == MANIFEST
            || path.ends_with(".part")
            || path.ends_with(".part-tag")
            || bundle.manifest().sources.iter().any(fetched)
        {
            continue;
        }
        let target = folder.join(&path);
        make_folder(target.parent().unwrap_or(folder))?;
        match bundle.source() {
            Source::Folder(own) => copy(&own.join(&path), &target)?,
            embedded => {
                if let Some(bytes) = embedded.read(&path)? {
                    write(&target, &bytes)?;
                }
            }
        }
    }
    Ok(())
}

/// A file of a source in a folder: below the repository's name, its last part, or `to`.
fn find_in(from: &Path, source: &FileSource, file: &str) -> Result<PathBuf, BundleError> {
    let hub = source.hub.as_deref().unwrap_or_default();
    let last = hub.rsplit('/').next().unwrap_or_default();
    let there = source.there(file);
    let places = [
        from.join(hub).join(&there),
        from.join(last).join(&there),
        from.join(source.here(file)),
        from.join(&there),
    ];
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| BundleError::Fetch {
        what: source.here(file),
        reason: format!("it is not in the folder; looked for `{}`", places[1].display()),
    })
}

fn make_folder(folder: &Path) -> Result<(), BundleError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| BundleError::Write { path: folder.display().to_string(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    write_atomic(path, bytes)
        .map_err(|source| BundleError::Write { path: path.display().to_string(), source })
}

/// Copies a file; under its final name it is whole.
fn copy(from: &Path, to: &Path) -> Result<(), BundleError> {
    let failed = |source| BundleError::Write { path: to.display().to_string(), source };
    let part = part(to);
    std::fs::copy(from, &part).and_then(|_| std::fs::rename(&part, to)).map_err(failed)
}

/// The name of a file while it is incomplete.
fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".part");
    PathBuf::from(name)
}

#[cfg(feature = "hub")]
mod fetch {
    use std::fs::{File, OpenOptions};
    use std::io::{self, Read, Write};
    use std::panic::AssertUnwindSafe;
    use std::path::PathBuf;
    use std::time::Duration;

    use hf_hub::api::Progress;
    use hf_hub::api::sync::{Api, ApiBuilder};
    use hf_hub::{Cache, Repo, RepoType};
    use indicatif::ProgressBar;
    use sha2::{Digest, Sha256};

    use super::super::bytes_bar;
    use super::{Args, BundleError, FileSource, Path};
    use crate::base::contained::contained;
    use crate::base::unwritten;

    const RETRIES: u32 = 3;

    pub struct Fetcher {
        api: Option<Api>,
        cache: Cache,
    }

    struct Bar(Option<ProgressBar>);

    impl Progress for Bar {
        fn init(&mut self, size: usize, name: &str) {
            self.0 = Some(bytes_bar(size as u64, name));
        }

        fn update(&mut self, size: usize) {
            if let Some(bar) = &self.0 {
                bar.inc(size as u64);
            }
        }

        fn finish(&mut self) {
            if let Some(bar) = &self.0 {
                bar.finish_and_clear();
            }
        }
    }

    impl Fetcher {
        pub fn new(args: &Args) -> Result<Self, BundleError> {
            let offline = args.offline
                || std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| {
                    matches!(&*value.to_lowercase(), "1" | "on" | "yes" | "true")
                });
            let cache = Cache::from_env();
            // The crate's own retries begin anew behind what is there; ours begin at its end.
            let mut builder = ApiBuilder::from_env().with_retries(0);
            if let Ok(token) = std::env::var("HF_TOKEN")
                && !token.is_empty()
            {
                builder = builder.with_token(Some(token));
            }
            if let Some(mirror) = &args.mirror {
                builder = builder.with_endpoint(mirror.trim_end_matches('/').to_string());
            }
            let api = builder.build().map_err(|error| BundleError::Fetch {
                what: args.model.clone(),
                reason: error.to_string(),
            })?;
            Ok(Fetcher { api: (!offline).then_some(api), cache })
        }

        pub fn fetch(
            &self,
            source: &FileSource,
            file: &str,
            path: &Path,
            copy: bool,
        ) -> Result<(), BundleError> {
            match (&source.hub, &source.url) {
                (Some(hub), _) => self.take_from_hub(hub, source, file, path, copy),
                (None, Some(url)) => {
                    let address = format!("{}/{file}", url.trim_end_matches('/'));
                    if self.api.is_none() {
                        return Err(offline(address));
                    }
                    from_web(&address, path)
                }
                (None, None) => Err(offline(source.here(file))),
            }
        }

        fn take_from_hub(
            &self,
            hub: &str,
            source: &FileSource,
            file: &str,
            path: &Path,
            copy: bool,
        ) -> Result<(), BundleError> {
            let there = source.there(file);
            let what = format!("{hub}/{there}");
            let revision = source.revision.clone();
            let repo = Repo::with_revision(hub.to_string(), RepoType::Model, revision);
            let cached = match (self.cache.repo(repo.clone()).get(&there), &self.api) {
                (Some(cached), _) => cached,
                (None, None) => return Err(offline(what)),
                (None, Some(api)) => {
                    // The crate takes some malformed answers for impossible.
                    let fetched = contained(AssertUnwindSafe(|| download(api, &repo, &there)));
                    fetched
                        .unwrap_or_else(|| Err("the answer makes no sense".to_string()))
                        .map_err(|reason| BundleError::Fetch { what, reason: explain(&reason) })?
                }
            };
            let blob = cached.canonicalize().unwrap_or(cached);
            if copy || link(&blob, path).is_err() {
                super::copy(&blob, path)?;
            }
            Ok(())
        }
    }

    /// Fetches a file into the hub's cache; each try goes on where the last one ended.
    fn download(api: &Api, repo: &Repo, there: &str) -> Result<PathBuf, String> {
        let repository = api.repo(repo.clone());
        let size = api.metadata(&repository.url(there)).map_err(|error| error.to_string())?.size();
        let mut tries = 0;
        let path = loop {
            match repository.download_with_progress(there, Bar(None)) {
                Ok(path) => break path,
                Err(_) if tries < RETRIES => tries += 1,
                Err(error) => return Err(error.to_string()),
            }
            std::thread::sleep(Duration::from_secs(1 << tries));
        };
        let got = path.metadata().map_or(0, |meta| meta.len());
        let blob = path.canonicalize().unwrap_or_else(|_| path.clone());
        let wrong = match got == size as u64 {
            true => differs(&blob).map_err(|error| error.to_string())?,
            false => Some(format!("{got} bytes came where {size} were promised")),
        };
        match wrong {
            None => Ok(path),
            // What is wrong in the cache would stay so.
            Some(reason) => {
                let _ = std::fs::remove_file(blob);
                Err(reason)
            }
        }
    }

    /// Compares a file of the cache with its name, which for large files is their SHA-256; the
    /// others have that of their Git object, and only their size is compared.
    fn differs(blob: &Path) -> io::Result<Option<String>> {
        let name = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.len() != 64 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let mut hasher = Sha256::new();
        let mut file = File::open(blob)?;
        let bar = bytes_bar(file.metadata()?.len(), "checking");
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            bar.inc(count as u64);
        }
        bar.finish_and_clear();
        let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let same = found.eq_ignore_ascii_case(name);
        Ok((!same).then(|| format!("its SHA-256 is {found} where the hub says {name}")))
    }

    fn offline(what: String) -> BundleError {
        let reason = "it is not in the hub's cache, and nothing is fetched with --offline";
        BundleError::Fetch { what, reason: reason.to_string() }
    }

    /// What to do about the usual ones; what is there already stays in every case.
    fn explain(error: &str) -> String {
        let advice = if error.contains("401") || error.contains("403") {
            "; the repository may be private or gated: set $HF_TOKEN"
        } else if error.contains("404") {
            "; there is no such file or repository there"
        } else {
            "; run the command again to go on from here"
        };
        format!("{error}{advice}")
    }

    #[cfg(unix)]
    fn link(blob: &Path, path: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(blob, path)
    }

    #[cfg(not(unix))]
    fn link(_: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Fetches an address into a file, from where an earlier try ended.
    fn from_web(address: &str, path: &Path) -> Result<(), BundleError> {
        let failed = |reason: String| BundleError::Fetch { what: address.to_string(), reason };
        let part = super::part(path);
        let mut have = part.metadata().map_or(0, |meta| meta.len());
        // Which file the part is of: what has changed since then is fetched anew.
        let tag_file = part.with_extension("part-tag");
        let tag = std::fs::read_to_string(&tag_file).unwrap_or_default();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .build()
            .into();
        // Ranges count the bytes that come; they are to be those of the file.
        let mut request = agent.get(address).header("Accept-Encoding", "identity");
        if have > 0 {
            request = request.header("Range", &format!("bytes={have}-"));
            if !tag.is_empty() {
                request = request.header("If-Range", &tag);
            }
        }
        let mut answer = match request.call() {
            Ok(answer) => answer,
            // What is there is as long as the file, or longer: it is begun anew.
            Err(ureq::Error::StatusCode(416)) => {
                std::fs::remove_file(&part).map_err(|error| failed(error.to_string()))?;
                return from_web(address, path);
            }
            Err(error) => return Err(failed(explain(&error.to_string()))),
        };
        let header = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_string);
        let now = header("etag").filter(|tag| !tag.starts_with("W/")).unwrap_or_default();
        // A server that knows no ranges sends all of it again, and so does one that has another file.
        let resumed = answer.status() == 206;
        if resumed {
            let from = header("content-range").unwrap_or_default();
            let fits =
                from.starts_with(&format!("bytes {have}-")) && (tag.is_empty() || tag == now);
            if have > 0 && !fits {
                std::fs::remove_file(&part).map_err(|error| failed(error.to_string()))?;
                return from_web(address, path);
            }
        } else {
            have = 0;
        }
        let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
        std::fs::write(&tag_file, &now).map_err(|error| failed(error.to_string()))?;
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(resumed)
            .truncate(!resumed)
            .open(&part)
            .map_err(|error| failed(error.to_string()))?;
        let bar = bytes_bar(have + length.unwrap_or(0), address);
        bar.set_position(have);
        let got = save(&mut answer.body_mut().as_reader(), &mut file, &bar);
        let got = got.map_err(|error| failed(explain(&unwritten::reason(&error))))?;
        bar.finish_and_clear();
        if length.is_some_and(|length| length != got) {
            return Err(failed(explain("the connection ended early")));
        }
        std::fs::rename(&part, path).map_err(|error| failed(error.to_string()))?;
        let _ = std::fs::remove_file(&tag_file);
        Ok(())
    }

    fn save(reader: &mut impl Read, file: &mut File, bar: &ProgressBar) -> io::Result<u64> {
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0;
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                file.sync_all()?;
                return Ok(total);
            }
            file.write_all(&buffer[..count])?;
            total += count as u64;
            bar.inc(count as u64);
        }
    }
}

#[cfg(not(feature = "hub"))]
mod fetch {
    use super::{Args, BundleError, FileSource, Path};

    pub struct Fetcher;

    impl Fetcher {
        pub fn new(_: &Args) -> Result<Self, BundleError> {
            Ok(Fetcher)
        }

        pub fn fetch(
            &self,
            source: &FileSource,
            file: &str,
            _: &Path,
            _: bool,
        ) -> Result<(), BundleError> {
            Err(BundleError::Fetch {
                what: source.here(file),
                reason: "this agpt was built without the feature `hub`; use --from".to_string(),
            })
        }
    }
}
