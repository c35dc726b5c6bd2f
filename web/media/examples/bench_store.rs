//! Where a browser stores 30 MB fastest: files of the origin's own folder (OPFS) against IndexedDB, written and read in portions
//! of 16 KiB, as groups come, and of 256 KiB. And what is left of it when a blob is hashed, named and recorded. A wasm test
//! that prints `bench-row`s.
//!
//! Both run in one worker, in turns; the median turn counts. A write is done when it is durable: a flush of the file, a
//! transaction that is complete. IndexedDB gets 1 MiB to a transaction, which it likes best.

fn main() {}

#[cfg(target_arch = "wasm32")]
mod browser {
    use chanterelle_media::store::{Store, Writer};
    use js_sys::{Date, Function, Promise, Reflect};
    use wasm_bindgen::{JsCast as _, JsValue};
    use wasm_bindgen_futures::JsFuture;
    use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_dedicated_worker);

    /// Bytes of a blob.
    const SIZE: usize = 30 * 1024 * 1024;

    const TURNS: usize = 5;

    /// Stores and reads once, in portions of `step` bytes, and gives milliseconds of each.
    const TURN: &str = "
        return (async () => {
            const size = 30 * 1024 * 1024;
            const portion = new Uint8Array(step);
            for (let at = 0; at < step; at += 65536) {
                crypto.getRandomValues(portion.subarray(at, Math.min(at + 65536, step)));
            }
            const took = {};
            const time = async (name, what) => {
                const begun = performance.now();
                await what();
                took[name] = performance.now() - begun;
            };

            const root = await navigator.storage.getDirectory();
            const handle = await root.getFileHandle('bench-store', {create: true});
            const file = await handle.createSyncAccessHandle();
            await time('fileWrite', () => {
                for (let at = 0; at < size; at += step) file.write(portion, {at});
                file.flush();
            });
            await time('fileRead', () => {
                for (let at = 0; at < size; at += step) file.read(portion, {at});
            });
            file.close();
            const blob = await handle.getFile();
            const reader = new FileReaderSync();
            await time('blobRead', () => {
                for (let at = 0; at < size; at += step) reader.readAsArrayBuffer(blob.slice(at, at + step));
            });
            await root.removeEntry('bench-store');

            const settled = request => new Promise((give, fail) => {
                request.onsuccess = () => give(request.result);
                request.onerror = () => fail(request.error);
            });
            const opening = indexedDB.open('bench-store', 1);
            opening.onupgradeneeded = () => opening.result.createObjectStore('parts');
            const database = await settled(opening);
            await time('databaseWrite', async () => {
                for (let begin = 0; begin < size; begin += 1 << 20) {
                    const transaction = database.transaction('parts', 'readwrite', {durability: 'relaxed'});
                    const store = transaction.objectStore('parts');
                    for (let at = begin; at < Math.min(begin + (1 << 20), size); at += step) store.put(portion, at);
                    transaction.commit();
                    await new Promise((give, fail) => {
                        transaction.oncomplete = give;
                        transaction.onabort = () => fail(transaction.error);
                    });
                }
            });
            await time('databaseRead', async () => {
                for (let begin = 0; begin < size; begin += 1 << 20) {
                    const store = database.transaction('parts').objectStore('parts');
                    const asked = [];
                    for (let at = begin; at < Math.min(begin + (1 << 20), size); at += step) asked.push(settled(store.get(at)));
                    await Promise.all(asked);
                }
            });
            database.close();
            await settled(indexedDB.deleteDatabase('bench-store'));
            return took;
        })();";

    async fn turn(step: usize) -> JsValue {
        let turn = Function::new_with_args("step", TURN).call1(&JsValue::NULL, &step.into());
        let promise: Promise = turn.expect("it begins").unchecked_into();
        JsFuture::from(promise).await.expect("the browser stores")
    }

    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    fn row(name: &str, value: f64, baseline: f64) {
        let ratio = value / baseline;
        console_log!(
            "bench-row {{\"name\": \"media.{name}\", \"value\": {value:.1}, \"unit\": \"MB/s\", \
             \"baseline\": {baseline:.1}, \"ratio\": {ratio:.2}}}"
        );
    }

    /// Megabytes a second.
    fn speed(milliseconds: f64) -> f64 {
        SIZE as f64 / 1e3 / milliseconds
    }

    #[wasm_bindgen_test]
    async fn files_against_the_database() {
        let mut best = 0.0_f64;
        for (name, step) in [("16k", 16 * 1024), ("256k", 256 * 1024)] {
            let mut turns = Vec::new();
            for _ in 0..TURNS {
                turns.push(turn(step).await);
            }
            let took = |what: &str| {
                let of =
                    |turn: &JsValue| Reflect::get(turn, &what.into()).ok().and_then(|took| took.as_f64());
                speed(median(turns.iter().map(|turn| of(turn).expect("it was measured")).collect()))
            };
            row(&format!("store_write_{name}"), took("fileWrite"), took("databaseWrite"));
            row(&format!("store_read_{name}"), took("fileRead"), took("databaseRead"));
            row(&format!("store_read_blob_{name}"), took("blobRead"), took("databaseRead"));
            best = best.max(took("fileWrite"));
        }

        let store = Store::open("bench-store", "bench", |_| ()).await;
        let mut whole = Vec::new();
        for n in 0..TURNS {
            let mut portion = vec![0; 256 * 1024];
            portion[0] = n as u8;
            let begun = Date::now();
            let mut writer = Writer::new(&store).await.expect("it can be opened");
            for _ in 0..SIZE / portion.len() {
                writer.write(&portion).expect("there is room");
            }
            let (id, ..) = writer.finish().await.expect("there is room");
            whole.push(Date::now() - begun);
            store.remove(&id).await.expect("it can be removed");
        }
        row("store_blob", speed(median(whole)), best);
    }
}
