//! The page's end alone, with workers of a few lines in place of the program: what it does when they answer, fail or do
//! not come.

use chanterelle_annex::question::{Key, SecretText, WordsError, encode};
use futures::future::join;
use js_sys::Array;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Blob, BlobPropertyBag, Url};

use super::{Annex, AnnexError, RUNNING, root, words};

/// Says that it is there and answers each question with the next of its answers. Fails when there is none left.
const WORKER: &str = "
    onmessage = ({ data: { port } }) => {
        port.onmessage = () => {
            if (answers.length === 0) throw new Error('no more answers');
            port.postMessage(new Uint8Array(answers.shift()));
        };
        port.postMessage(new Uint8Array());
    };";

/// Fails when it is asked to load.
const BROKEN: &str = "onmessage = () => { throw new Error('no such program'); };";

/// Starts a worker with this script for the questions that follow.
fn start(script: &str, answers: &[Vec<u8>]) {
    let document = web_sys::window().and_then(|window| window.document()).expect("the tests run in a page");
    let meta = document.create_element("meta").expect("a plain name");
    for (name, value) in [("name", "annex"), ("content", "/annex")] {
        meta.set_attribute(name, value).expect("a plain name");
    }
    document.head().expect("a page has a head").append_child(&meta).expect("a head takes elements");
    let script = Array::of1(&format!("const answers = {answers:?}; {script}").into());
    let options = BlobPropertyBag::new();
    // Modules are nothing else.
    options.set_type("text/javascript");
    let blob = Blob::new_with_str_sequence_and_options(&script, &options).expect("a text makes a blob");
    let url = Url::create_object_url_with_blob(&blob).expect("a blob has a URL");
    RUNNING.set(Some(Annex::start(&url).expect("browsers have workers")));
    meta.remove();
}

fn is_running() -> bool {
    RUNNING.with_borrow(Option::is_some)
}

fn text(text: &str) -> SecretText {
    SecretText(text.to_owned())
}

#[wasm_bindgen_test]
async fn each_question_gets_its_own_answer() {
    let refused = WordsError::Count(3);
    let answers = [
        encode(&Ok::<_, WordsError>(text("a phrase"))),
        encode(&Err::<Key, _>(refused.clone())),
        encode(&Ok::<_, WordsError>(Key([7; 32]))),
    ];
    start(WORKER, &answers);
    let both = join(words(Key([1; 32])), root(text("one two three"))).await;
    assert_eq!(both, (Ok(text("a phrase")), Err(AnnexError::Refused(refused))));
    assert_eq!(root(text("a phrase")).await, Ok(Key([7; 32])));
    assert!(is_running(), "it waits for more");
}

#[wasm_bindgen_test]
async fn whoever_waits_is_told_when_it_stops_and_the_next_question_starts_another() {
    start(WORKER, &[]);
    let (first, second) = join(words(Key([1; 32])), words(Key([2; 32]))).await;
    for outcome in [first, second] {
        let Err(AnnexError::Stopped(why)) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("no more answers"), "{why}");
    }
    assert!(!is_running());
    start(WORKER, &[encode(&Ok::<_, WordsError>(text("a phrase")))]);
    assert_eq!(words(Key([1; 32])).await, Ok(text("a phrase")));
}

#[wasm_bindgen_test]
async fn a_program_that_does_not_come_is_told_from_one_that_stops() {
    start(BROKEN, &[]);
    assert_eq!(words(Key([1; 32])).await, Err(AnnexError::NotLoaded));
    assert!(!is_running());
    // There is neither an address of the program here nor the script that would start it.
    assert_eq!(words(Key([1; 32])).await, Err(AnnexError::NotLoaded));
}
