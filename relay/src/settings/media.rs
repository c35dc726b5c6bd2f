//! What an operator may set about files: where they are, which are kept, how many, for how long.

use std::time::Duration;

use chanterelle_core::base::{AuthorId, BoardId, BoardName, Limits};
use chanterelle_core::crypto::open_board_id;
use url::Url;

use super::values::{each, parse};
use super::{Keys, SettingsError};

const MIB: u64 = 1024 * 1024;

/// Everything about files, checked.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// Where whole blobs are.
    pub place: BlobPlace,
    /// The boards whose files are kept; `None` is all.
    pub boards: Option<Vec<BoardId>>,
    /// Authors whose files are kept whatever the board.
    pub authors: Vec<AuthorId>,
    /// Bytes of the largest blob.
    pub blob_bytes: u64,
    /// Bytes of all blobs and uploads together; `None` is as much as there is room for.
    pub total_bytes: Option<u64>,
    /// Bytes of one author.
    pub author_bytes: u64,
    /// Bytes uploaded from one client address without a signature.
    pub address_bytes: u64,
    /// Bytes the disk of the data folder keeps free.
    pub free_bytes: u64,
    /// Who may upload.
    pub uploads: UploadsBy,
    /// How long an upload may rest before it is thrown away.
    pub upload_rest: Duration,
    /// How long an upload keeps a blob that no event refers to.
    pub pin: Duration,
    /// How long a blob stays that nothing keeps any more.
    pub grace: Duration,
    /// The origin at which files are served, when it is not the relay's.
    pub origin: Option<Url>,
    /// What is made of them.
    pub renditions: RenditionSettings,
}

/// What is made of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionSettings {
    /// Renditions at a time in each lane; none are made when it is 0.
    pub workers: usize,
    /// The program that makes those of audio and video, or `off`.
    pub ffmpeg: String,
}

/// Where whole blobs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobPlace {
    /// In the data folder.
    Local,
    /// In a bucket.
    S3(Bucket),
}

/// A bucket of a service that speaks S3.
#[derive(Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The service, by http or https.
    pub endpoint: Url,
    /// The bucket's name.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Who asks.
    pub access_key: String,
    /// The secret that proves it.
    pub secret_key: String,
    /// Whether the bucket stands in the path rather than in the host's name.
    pub path_style: bool,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = (self.endpoint.as_str(), &self.bucket, &self.region, self.path_style);
        f.debug_tuple("Bucket").field(&place).finish_non_exhaustive()
    }
}

/// Who may upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadsBy {
    /// Whoever comes.
    Anyone,
    /// Who signs.
    Authors,
    /// Nobody.
    Nobody,
}

impl UploadsBy {
    /// As it is set and told.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            UploadsBy::Anyone => "anyone",
            UploadsBy::Authors => "authors",
            UploadsBy::Nobody => "nobody",
        }
    }
}

/// Reads what `keys`, in which every key is set, say about files.
pub(super) fn resolve(keys: &Keys) -> Result<MediaSettings, SettingsError> {
    let set = "defaults set every key";
    let mib = |value: Option<u32>| u64::from(value.expect(set)) * MIB;
    let at_least = |key: &str, value: u64| {
        if value > 0 { Ok(value) } else { Err(SettingsError(format!("{key}: must be at least 1"))) }
    };
    let seconds =
        |key: &str, value: Option<u32>| at_least(key, u64::from(value.expect(set))).map(Duration::from_secs);
    let largest = Limits::default().blob_bytes;
    let blob_bytes = at_least("max_blob_mib", mib(keys.max_blob_mib))?;
    if blob_bytes > largest {
        let line = format!("max_blob_mib: must be at most {}, the largest file there is", largest / MIB);
        return Err(SettingsError(line));
    }
    Ok(MediaSettings {
        place: place(keys)?,
        boards: boards(keys.media_boards.as_deref().expect(set))?,
        authors: each(keys.media_authors.as_deref().expect(set), |text| {
            parse("media_authors", text, "the 64 hexadecimal digits of an author")
        })?,
        blob_bytes,
        total_bytes: Some(mib(keys.max_media_mib)).filter(|&bytes| bytes > 0),
        author_bytes: mib(keys.media_mib_per_author),
        address_bytes: mib(keys.media_mib_per_address),
        free_bytes: mib(keys.media_free_mib),
        uploads: uploads(keys.uploads.as_deref().expect(set))?,
        upload_rest: seconds("upload_seconds", keys.upload_seconds)?,
        pin: seconds("media_pin_seconds", keys.media_pin_seconds)?,
        grace: Duration::from_secs(keys.media_grace_seconds.expect(set).into()),
        origin: origin(keys.media_origin.as_deref().expect(set))?,
        renditions: RenditionSettings {
            workers: keys.rendition_workers.expect(set) as usize,
            ffmpeg: keys.ffmpeg.clone().expect(set),
        },
    })
}

/// `*` is all boards; else the names of open boards, or the ids of any.
fn boards(texts: &[String]) -> Result<Option<Vec<BoardId>>, SettingsError> {
    if texts.iter().any(|text| text.trim() == "*") {
        return Ok(None);
    }
    let wanted = "the name of a board, the 64 hexadecimal digits of its id, or *";
    let board = |text: &str| match text.parse::<BoardId>() {
        Ok(id) => Ok(id),
        Err(_) => BoardName::new(text)
            .map(|name| open_board_id(&name))
            .map_err(|_| SettingsError(format!("media_boards: {text:?} is not {wanted}"))),
    };
    each(texts, board).map(Some)
}

fn uploads(text: &str) -> Result<UploadsBy, SettingsError> {
    let all = [UploadsBy::Anyone, UploadsBy::Authors, UploadsBy::Nobody];
    all.into_iter()
        .find(|by| by.label() == text)
        .ok_or_else(|| SettingsError(format!("uploads: {text:?} is neither anyone, nor authors, nor nobody")))
}

/// Without a path: files are at `/media` there as here.
fn origin(text: &str) -> Result<Option<Url>, SettingsError> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong =
        || SettingsError(format!("media_origin: {text:?} is not an origin such as https://media.example"));
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if plain && url.has_host() && ["http", "https"].contains(&url.scheme()) {
        Ok(Some(url))
    } else {
        Err(wrong())
    }
}

/// Local unless a bucket is named.
fn place(keys: &Keys) -> Result<BlobPlace, SettingsError> {
    let text = |value: &Option<String>| value.clone().expect("defaults set every key");
    let bucket = text(&keys.s3_bucket);
    let (access_key, secret_key) = (text(&keys.s3_access_key), text(&keys.s3_secret_key));
    if bucket.is_empty() {
        let others = [("s3_endpoint", text(&keys.s3_endpoint)), ("s3_access_key", access_key)];
        return match others.iter().find(|(_, value)| !value.is_empty()) {
            Some((key, _)) => Err(SettingsError(format!("s3_bucket: is not set, but {key} is"))),
            None => Ok(BlobPlace::Local),
        };
    }
    for (key, value) in [("s3_access_key", &access_key), ("s3_secret_key", &secret_key)] {
        if value.is_empty() {
            return Err(SettingsError(format!("{key}: is not set, but s3_bucket is")));
        }
    }
    let endpoint = text(&keys.s3_endpoint);
    let wrong =
        || SettingsError(format!("s3_endpoint: {endpoint:?} is not a URL such as https://s3.example"));
    let url = Url::parse(&endpoint).map_err(|_| wrong())?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(wrong());
    }
    let path_style = match text(&keys.s3_path_style).as_str() {
        "on" => true,
        "off" => false,
        other => return Err(SettingsError(format!("s3_path_style: {other:?} is neither on nor off"))),
    };
    let region = text(&keys.s3_region);
    Ok(BlobPlace::S3(Bucket { endpoint: url, bucket, region, access_key, secret_key, path_style }))
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::{BoardId, BoardName};
    use chanterelle_core::crypto::open_board_id;

    use super::{BlobPlace, MediaSettings, UploadsBy};
    use crate::settings::{Keys, SettingsError};

    fn media(text: &str) -> Result<MediaSettings, SettingsError> {
        let keys: Keys = toml::from_str(text).expect("the test's keys are TOML");
        keys.resolve().map(|settings| settings.media)
    }

    #[test]
    fn by_default_files_of_all_boards_are_kept_here_and_anyone_uploads() {
        let media = media("").expect("the defaults are valid");
        assert_eq!((media.place, media.boards, media.uploads), (BlobPlace::Local, None, UploadsBy::Anyone));
        assert!(media.address_bytes < media.author_bytes && media.origin.is_none());
    }

    #[test]
    fn boards_are_named_or_numbered() {
        let id = BoardId([7; 32]);
        let named = media(&format!("media_boards = ['cats', '{id}']")).expect("both are valid");
        let cats = open_board_id(&BoardName::new("cats").expect("a name"));
        assert_eq!(named.boards, Some(vec![cats, id]));
        assert_eq!(media("media_boards = []").expect("none is valid").boards, Some(Vec::new()));
        assert_eq!(media("media_boards = ['cats', '*']").expect("all is valid").boards, None);
    }

    #[test]
    fn a_bucket_needs_its_keys() {
        let keys = "s3_access_key = 'a'\ns3_secret_key = 'b'\ns3_endpoint = 'http://127.0.0.1:9000'";
        let BlobPlace::S3(bucket) = media(&format!("s3_bucket = 'media'\n{keys}")).expect("valid").place
        else {
            panic!("a bucket was named");
        };
        assert!(bucket.path_style && !format!("{bucket:?}").contains("'b'"));
        for (text, key) in [
            (keys.to_owned(), "s3_bucket"),
            ("s3_bucket = 'media'".to_owned(), "s3_access_key"),
            ("s3_bucket = 'media'\ns3_access_key = 'a'".to_owned(), "s3_secret_key"),
            ("s3_bucket = 'm'\ns3_access_key = 'a'\ns3_secret_key = 'b'".to_owned(), "s3_endpoint"),
            (format!("s3_bucket = 'm'\ns3_path_style = 'yes'\n{keys}"), "s3_path_style"),
            ("media_boards = ['Cats']".to_owned(), "media_boards"),
            ("media_authors = ['somebody']".to_owned(), "media_authors"),
            ("media_origin = 'media.example'".to_owned(), "media_origin"),
            ("media_origin = 'https://media.example/files'".to_owned(), "media_origin"),
            ("uploads = 'yes'".to_owned(), "uploads"),
            ("max_blob_mib = 0".to_owned(), "max_blob_mib"),
            ("max_blob_mib = 4097".to_owned(), "max_blob_mib"),
            ("upload_seconds = 0".to_owned(), "upload_seconds"),
        ] {
            let line = media(&text).expect_err(&text).to_string();
            assert!(line.starts_with(key) && !line.contains('\n'), "{line}");
        }
    }
}
