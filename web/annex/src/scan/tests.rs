//! Pictures of codes, as a camera sees them: larger, turned, in perspective, unevenly lit, noisy.

use super::{Grey, scan};
use crate::qr::draw;
use crate::question::{MAX_PIXELS, Matrix, ScanError};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Modules of quiet zone on each side (ISO/IEC 18004, section 6.3.8).
const QUIET: f64 = 4.0;

/// A code on a wall, and how it is looked at.
pub(crate) struct Scene<'a> {
    code: &'a Matrix,
    /// Pixels of a side of the picture.
    side: usize,
    /// Pixels of a module, in the middle of the picture.
    scale: f64,
    /// Radians.
    turned: f64,
    /// How much smaller it gets from left to right, by the picture's width.
    slanted: f64,
    /// How bright a light module is, at the left and at the right.
    lit: (f64, f64),
    /// How much of its brightness a pixel may have lost.
    noise: f64,
    negative: bool,
}

impl<'a> Scene<'a> {
    /// Straight on, so many pixels to a module.
    pub(crate) fn of(code: &'a Matrix, scale: usize) -> Self {
        Scene {
            code,
            side: (usize::from(code.side) + 2 * QUIET as usize) * scale,
            scale: scale as f64,
            turned: 0.0,
            slanted: 0.0,
            lit: (255.0, 255.0),
            noise: 0.0,
            negative: false,
        }
    }

    /// How much of a pixel is dark: a camera sees all of it, so it is looked at in nine places.
    fn darkness(&self, x: usize, y: usize) -> f64 {
        let places = [1.0 / 6.0, 0.5, 5.0 / 6.0];
        let dark = places.iter().flat_map(|dx| places.iter().map(move |dy| (dx, dy)));
        dark.filter(|(dx, dy)| self.is_dark(x as f64 + *dx, y as f64 + *dy)).count() as f64 / 9.0
    }

    /// Whether there is a dark module at a place of the picture.
    fn is_dark(&self, x: f64, y: f64) -> bool {
        let middle = self.side as f64 / 2.0;
        let (x, y) = (x - middle, y - middle);
        let far = 1.0 + self.slanted * x / self.side as f64;
        let (x, y) = (x * far, y * far);
        let (sin, cos) = self.turned.sin_cos();
        let (x, y) = ((x * cos + y * sin) / self.scale, (y * cos - x * sin) / self.scale);
        let half = f64::from(self.code.side) / 2.0;
        let (x, y) = ((x + half).floor(), (y + half).floor());
        let on_code = |at: f64| (0.0..f64::from(self.code.side)).contains(&at);
        on_code(x) && on_code(y) && self.code.is_dark(x as u8, y as u8)
    }

    fn rgba(&self) -> Vec<u8> {
        let mut seed = 1_u32;
        let mut noise = || {
            // Numerical Recipes, section 7.1; any mixture will do.
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 16) / 65_536.0
        };
        let mut pixels = Vec::new();
        for y in 0..self.side {
            for x in 0..self.side {
                let (left, right) = self.lit;
                let light = left + (right - left) * x as f64 / self.side as f64;
                let dark = self.darkness(x, y);
                let dark = if self.negative { 1.0 - dark } else { dark };
                let seen = light * (1.0 - 0.85 * dark);
                let seen = (seen * (1.0 - self.noise * noise())) as u8;
                pixels.extend([seen, seen, seen, 255]);
            }
        }
        pixels
    }
}

/// What is read in a scene.
pub(crate) fn read(scene: &Scene<'_>) -> Result<String, ScanError> {
    scan(scene.side as u32, &scene.rgba())
}

/// About as long as a friend code without a private board.
fn text() -> String {
    format!("https://relay.example.org/f#CHAN1{}", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".repeat(12))
}

#[test]
fn a_code_is_read_as_a_camera_sees_it() {
    let text = text();
    let code = draw(&text).expect("the text is short");
    let straight = || Scene::of(&code, 6);
    for (how, scene) in [
        ("straight", straight()),
        ("with room around", Scene { side: 900, ..straight() }),
        ("turned a little", Scene { turned: 0.2, side: 800, ..straight() }),
        ("turned far", Scene { turned: 2.5, side: 800, ..straight() }),
        ("slanted", Scene { slanted: 0.3, side: 800, ..straight() }),
        ("unevenly lit", Scene { lit: (250.0, 90.0), ..straight() }),
        ("noisy", Scene { noise: 0.3, ..straight() }),
        ("light on dark", Scene { negative: true, ..straight() }),
        (
            "all of it",
            Scene { turned: 0.3, slanted: 0.2, lit: (240.0, 120.0), noise: 0.2, side: 800, ..straight() },
        ),
    ] {
        assert_eq!(read(&scene).as_deref(), Ok(text.as_str()), "{how}");
    }
}

/// Made by segno 1.6.6 (in Python): `segno.make("https://relay.example/f#CHAN1QPZRY9X8", error="m")`, a digit a row.
const FOREIGN: [u32; 29] = [
    0x1fc5b67f, 0x1053a741, 0x174f565d, 0x174a905d, 0x175c475d, 0x1044b341, 0x1fd5557f, 0x000eaf00,
    0x15496112, 0x1d920949, 0x117f8d37, 0x15ad2f22, 0x17d0234b, 0x0290b1c9, 0x08d2559b, 0x0a33cada,
    0x0e6740cb, 0x059f79cd, 0x13d194f3, 0x0d850f0a, 0x137123f0, 0x0012b317, 0x1fc25b5b, 0x1045e918,
    0x175a4df3, 0x17467c37, 0x175885b9, 0x10482ff2, 0x1fdd835b,
];

#[test]
fn a_code_of_other_software_is_read() {
    let modules = FOREIGN.iter().flat_map(|row| (0..29).rev().map(move |at| (row >> at & 1) as u8));
    let code = Matrix { side: 29, modules: modules.collect() };
    assert_eq!(read(&Scene::of(&code, 4)).as_deref(), Ok("https://relay.example/f#CHAN1QPZRY9X8"));
}

#[test]
fn a_code_that_cannot_be_read_is_told_from_none() {
    let code = draw(&text()).expect("the text is short");
    let mut covered = code.clone();
    let side = usize::from(code.side);
    for y in side / 4..side * 3 / 4 {
        covered.modules[y * side + side / 4..y * side + side * 3 / 4].fill(1);
    }
    assert_eq!(read(&Scene::of(&covered, 5)), Err(ScanError::Unreadable));
    let blank = Matrix { side: 21, modules: vec![0; 441] };
    assert_eq!(read(&Scene::of(&blank, 30)), Err(ScanError::NoCode));
    let noise = Scene { noise: 1.0, side: 500, ..Scene::of(&blank, 10) };
    assert_eq!(read(&noise), Err(ScanError::NoCode));
}

#[test]
fn what_is_no_picture_is_refused() {
    let white = |pixels: usize| vec![255; 4 * pixels];
    for (width, rgba) in [
        (0, white(0)),
        (0, white(1)),
        (1, white(0)),
        (2, white(3)),
        (1, vec![255; 3]),
        (2048, white(MAX_PIXELS + 2048)),
        (u32::MAX, white(4)),
    ] {
        assert_eq!(scan(width, &rgba), Err(ScanError::NoPicture), "{width} {}", rgba.len());
    }
    for (width, pixels) in [(1, 1), (1, 1000), (1000, 1000), (2048, MAX_PIXELS)] {
        assert_eq!(scan(width, &white(pixels)), Err(ScanError::NoCode), "{width} {pixels}");
    }
}

#[test]
fn a_picture_is_scaled_by_means() {
    let grey = |width, rgba: &[u8]| Grey::new(width, rgba).expect("it is a picture");
    let row = |values: [u8; 4]| values.into_iter().flat_map(|value| [value, value, value, 0]);
    let rgba: Vec<u8> = row([0, 100, 200, 200]).chain(row([100, 200, 255, 255])).collect();
    let picture = grey(4, &rgba);
    assert_eq!(picture.pixels, [0, 100, 200, 200, 100, 200, 255, 255]);
    let half = picture.halved().expect("it is wide enough");
    assert_eq!((half.width, half.height, half.pixels), (2, 1, vec![100, 227]));
    assert!(grey(1, &[0; 8]).halved().is_none());
    let double = grey(2, &row([0, 160, 0, 160]).collect::<Vec<_>>()).doubled().expect("it is small enough");
    assert_eq!((double.width, double.height, &double.pixels[4..8]), (4, 4, &[0, 40, 120, 160][..]));
    assert!(grey(2048, &vec![0; MAX_PIXELS + 8192]).doubled().is_none());
    assert_eq!(grey(1, &[0, 0, 0, 0, 255, 255, 255, 0]).negative().pixels, [255, 0]);
    assert_eq!(grey(1, &[255, 0, 0, 9]).pixels, [76]);
    assert_eq!(grey(1, &[0, 255, 0, 9]).pixels, [149]);
    assert_eq!(grey(1, &[0, 0, 255, 9]).pixels, [28]);
}
