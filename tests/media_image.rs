//! Images against what Pillow makes of them (tests/reference/media_fixtures.py), and every way
//! in which a file can be no image.

use std::path::{Path, PathBuf};

use agpt::media::{MediaError, RgbImage, resize_bicubic};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media").join(name)
}

fn load(name: &str) -> RgbImage {
    RgbImage::load(fixture(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn assert_close(name: &str, a: &RgbImage, b: &RgbImage, tolerance: u8) {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()), "{name}");
    let worst = a.data().iter().zip(b.data()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(tolerance), "{name}: off by {worst:?}");
}

#[test]
fn resizing_is_pillow_s_to_the_bit() {
    let source = load("resize_source.png");
    for (width, height) in [(97, 81), (16, 16), (53, 11), (7, 37), (5, 90), (1, 1), (54, 38)] {
        let name = format!("resize_{width}x{height}.png");
        assert_eq!(resize_bicubic(&source, width, height), load(&name), "{name}");
    }
    assert_eq!(resize_bicubic(&source, 53, 37), source);
}

#[test]
fn lossless_files_of_every_kind_read_as_what_they_show() {
    let expected = load("rgb.png");
    for name in ["lossless.webp", "film.png", "film.webp", "rgb16.png"] {
        assert_eq!(load(name), expected, "{name}");
    }
    assert_eq!(load("grey16.png"), load("grey.png"));
    let grey = load("grey.png");
    assert!(grey.data().chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    assert!(load("bits.png").data().iter().all(|byte| matches!(byte, 0 | 255)));
    assert_eq!(load("palette.png").width(), 24);
}

#[test]
fn transparency_is_composited_over_white() {
    for name in ["rgba.png", "grey_alpha.png", "palette_clear.png"] {
        assert_close(name, &load(name), &load(&format!("{name}.expected.png")), 1);
    }
    assert_eq!(load("rgba.webp"), load("rgba.png"));
    assert_eq!(load("rgba.png").data()[..3], [255; 3], "the left column is clear");
}

#[test]
fn lossy_files_are_near_to_pillow_s() {
    for name in ["rgb.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "lossy.webp"] {
        assert_close(name, &load(name), &load(&format!("{name}.expected.png")), 4);
    }
}

#[test]
fn exif_orientation_is_applied() {
    for value in 1..=8 {
        let name = format!("exif_{value}");
        let (found, expected) =
            (load(&format!("{name}.jpg")), load(&format!("{name}.expected.png")));
        assert_close(&name, &found, &expected, 4);
    }
}

fn error(name: &str, bytes: &[u8]) -> String {
    RgbImage::decode(bytes, name).expect_err(name).to_string()
}

#[test]
fn what_is_no_image_is_said_to_be_what_it_is() {
    insta::assert_snapshot!([
        error("notes.png", b"Dear diary, today I saw a cat.\n"),
        error("a.png", b""),
        error("drawing.png", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        error("paper.jpg", b"%PDF-1.7 ..."),
        error("phone.jpg", b"\0\0\0\x18ftypheic\0\0\0\0"),
        error("noise.png", &[0x80, 0x81, 0x82, 0xFE]),
        error("film.gif", &std::fs::read(fixture("film.gif")).unwrap()),
    ]
    .join("\n"), @r"
    `notes.png` is not an image: it looks like text; give a PNG, JPEG or WebP file
    `a.png` is empty; an image was expected
    `drawing.png` is not an image: it is an SVG drawing; give a PNG, JPEG or WebP file
    `paper.jpg` is not an image: it is a PDF; give a PNG, JPEG or WebP file
    `phone.jpg` is not an image: it is an MP4 or HEIC file; give a PNG, JPEG or WebP file
    `noise.png` is not an image: its content is not known; give a PNG, JPEG or WebP file
    `film.gif` is a GIF file, which cannot be read; convert it to PNG, JPEG or WebP
    ");
}

#[test]
fn folders_and_missing_files_are_named() {
    let folder = RgbImage::load(fixture("")).unwrap_err();
    assert!(matches!(folder, MediaError::Folder { .. }), "{folder}");
    let missing = RgbImage::load(fixture("no.png")).unwrap_err();
    assert!(matches!(missing, MediaError::Missing { .. }), "{missing}");
}

#[test]
fn truncated_files_are_refused_wherever_they_end() {
    for name in
        ["rgb.png", "rgb.jpg", "progressive.jpg", "exif_6.jpg", "lossless.webp", "lossy.webp"]
    {
        let bytes = std::fs::read(fixture(name)).unwrap();
        // The last bytes of a PNG are its IEND chunk, without which the picture is whole.
        let tail = if name.ends_with("png") { 13 } else { 2 };
        for length in (0..bytes.len() - tail).step_by(7) {
            assert!(RgbImage::decode(&bytes[..length], name).is_err(), "{name} cut at {length}");
        }
        let error = error(name, &bytes[..bytes.len() * 2 / 3]);
        assert!(error.contains("fetch or export it again"), "{error}");
    }
}

#[test]
fn huge_images_are_refused_by_their_headers() {
    // The header of a PNG of any size is 33 bytes; no pixel is ever there.
    let png = |width: u32, height: u32| {
        let mut header = b"IHDR".to_vec();
        header.extend(width.to_be_bytes());
        header.extend(height.to_be_bytes());
        header.extend([8, 2, 0, 0, 0]);
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
        bytes.extend(&header);
        bytes.extend(crc32(&header).to_be_bytes());
        bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
        bytes
    };
    let large = error("large.png", &png(20_000, 20_000));
    assert_eq!(
        large,
        "`large.png` is 20000×20000 pixels, more than the limit of 100 megapixels; make it \
         smaller first"
    );
    let wide = error("wide.png", &png(2_000_000_000, 1));
    assert!(wide.contains("32768 pixels per side"), "{wide}");
    assert!(!error("zero.png", &png(0, 5)).is_empty());
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    /// Damaged files are errors or pictures, never a crash.
    #[test]
    fn damage_never_panics(
        which in 0usize..8,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<proptest::sample::Index>(),
    ) {
        let names = ["rgb.png", "palette.png", "rgb16.png", "rgb.jpg", "progressive.jpg",
            "cmyk.jpg", "lossy.webp", "rgba.webp"];
        let mut bytes = std::fs::read(fixture(names[which])).unwrap();
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = RgbImage::decode(&bytes, "damaged");
        let _ = agpt::media::png_text(&bytes, "damaged");
    }

    #[test]
    fn any_size_resizes(w in 1u32..9, h in 1u32..9, to_w in 0u32..40, to_h in 0u32..40) {
        let image = RgbImage::filled(w, h, [10, 20, 255]);
        let resized = resize_bicubic(&image, to_w, to_h);
        prop_assert_eq!(resized, RgbImage::filled(to_w, to_h, [10, 20, 255]));
    }
}
