//! Pictures being prepared while somebody writes: whether the page's own thread is held up.

use std::path::Path;

use chanterelle_e2e::attach::number;
use chanterelle_e2e::browser::{Browser, Profile, Start};
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::{files, wait};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::row;

/// Pictures in all; a post carries eight, so that the others come when some are taken out again.
const PICTURES: usize = 10;
const AT_ONCE: usize = 8;

/// 12 megapixels, as phones take them.
const SIZE: (u32, u32) = (4_000, 3_000);

/// Notes tasks that take 50 ms and longer, from now on: browsers tell of no others.
const WATCH: &str = "
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
    }).observe({type: 'longtask'});";

/// See the program.
pub(super) async fn bench(folder: &Path) {
    let relay = Relay::start(&folder.join("relay.log")).await;
    let from = TempDir::new().expect("the system has room for a temporary folder");
    let name = |number: usize| format!("photo-{number}.jpg");
    let photos: Vec<_> =
        (0..PICTURES).map(|number| files::write(from.path(), &name(number), &photo(number))).collect();
    let browser = Browser::launch("photographer", Start::plain(Profile::fresh()), folder).await;
    browser.open(&relay.url("/b/bench?lang=en")).await;
    browser.click(Scope::Page, "button", "New thread").await;
    let form = browser.find(Scope::Page, "form", "New thread").await;
    browser.fill(Scope::In(&form), "Comment", "While pictures are prepared").await;
    browser.script(WATCH, &[]).await.expect("the page runs scripts of the driver");

    let prepared = async |count: usize| {
        wait::within(wait::PATIENCE * 4, &format!("{count} pictures"), async || {
            let texts = browser.attached(&form).await?;
            let ready = texts.iter().filter(|text| !text.contains("Preparing")).count();
            wait::holds((texts.len(), ready) == (count, count), || format!("{texts:?}"))
        })
        .await;
    };
    browser.attach(&form, &photos[..AT_ONCE]).await;
    prepared(AT_ONCE).await;
    for gone in 0..PICTURES - AT_ONCE {
        browser.click(Scope::In(&form), "button", &format!("Remove: {}", name(gone))).await;
    }
    browser.attach(&form, &photos[AT_ONCE..]).await;
    prepared(AT_ONCE).await;
    let longest = number(&browser, "return window.longest").await.expect("it was noted");
    row("media.longest_task_ms", longest, "ms");
}

/// Large shapes and the noise of a sensor, which is what a JPEG spends its bytes on.
fn photo(number: usize) -> Vec<u8> {
    let mut noise = 1 + u32::try_from(number).expect("there are few");
    let photo = RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        // Marsaglia's xorshift.
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        let grain = (noise % 17) as u8;
        Rgb([(x / 20) as u8 / 2 + grain, (y / 15) as u8 / 2 + grain, ((x + y) / 30) as u8 / 2 + grain])
    });
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&photo).expect("memory takes it");
    jpeg
}
