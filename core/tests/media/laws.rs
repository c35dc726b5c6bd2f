//! Networks made by chance: whatever lies and leaves, a blob that somebody honest holds comes to all who want it.

use chanterelle_core::media::exchange::Input;
use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::net::{Net, peer};
use super::tree::{Held, content, runner};

#[derive(Clone, Debug)]
struct Plan {
    /// Uplinks in KB/s and delays in ms.
    nodes: Vec<(u64, u64)>,
    sizes: Vec<usize>,
    /// Which node holds which blob, beside the first, which is honest, holds all and stays.
    holds: Vec<(usize, usize)>,
    liars: Vec<usize>,
    /// Who goes, and when.
    leaves: Vec<(usize, u64)>,
    /// Who starts anew, and when.
    restarts: Vec<(usize, u64)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    // Drawn in 32 bits, so that a browser draws the same plans as a native program.
    let index = || (0_u32..8).prop_map(|index| index as usize);
    let size = prop_oneof![1_u32..40_000, 100_000_u32..1_500_000].prop_map(|size| size as usize);
    let nodes = prop::collection::vec((100_u64..3_000, 1_u64..150), 3..7);
    let sizes = prop::collection::vec(size, 1..4);
    let some = || prop::collection::vec((index(), 0_u64..4_000), 0..3);
    let holds = prop::collection::vec((index(), index()), 0..6);
    let liars = prop::collection::vec(index(), 0..2);
    (nodes, sizes, holds, liars, some(), some()).prop_map(|(nodes, sizes, holds, liars, leaves, restarts)| {
        Plan { nodes, sizes, holds, liars, leaves, restarts }
    })
}

/// Runs a plan; how long it took and how many bytes came twice.
fn play(plan: &Plan) -> Result<(u64, u64), TestCaseError> {
    let (mut net, count) = (Net::new(), plan.nodes.len());
    let blobs: Vec<Held> = plan.sizes.iter().map(|size| Held::new(content(*size))).collect();
    for (uplink, delay) in &plan.nodes {
        net.join(uplink * 1_000, *delay);
    }
    // Neither the first, which is honest and stays, nor the last, which wants.
    let any_other = |at: usize| 1 + at % (count - 2);
    blobs.iter().for_each(|blob| net.give(0, blob));
    plan.holds.iter().for_each(|(node, blob)| net.give(any_other(*node), &blobs[blob % blobs.len()]));
    plan.liars.iter().for_each(|liar| net.nodes[any_other(*liar)].is_liar = true);
    let mut events: Vec<(u64, bool, usize)> =
        plan.leaves.iter().map(|(node, at)| (*at, true, any_other(*node))).collect();
    events.extend(plan.restarts.iter().map(|(node, at)| (*at, false, any_other(*node))));
    events.sort_unstable();
    let wanters: Vec<usize> = (1..count).collect();
    wanters.iter().for_each(|wanter| blobs.iter().for_each(|blob| net.want(*wanter, blob)));
    let begun = net.now;
    let mut gone = Vec::new();
    for (at, leaves, node) in events {
        net.run((begun + at).saturating_sub(net.now));
        if gone.contains(&node) {
            continue;
        }
        if leaves {
            net.leave(node);
            gone.push(node);
        } else {
            net.restart(node, 99);
            // Whoever left does not come back with it.
            gone.iter().for_each(|gone| net.tell(node, Input::Left(peer(*gone))));
            blobs.iter().for_each(|blob| net.want(node, blob));
        }
    }
    let wanters: Vec<usize> = wanters.into_iter().filter(|wanter| !gone.contains(wanter)).collect();
    net.run_until(180, |net| {
        wanters.iter().all(|node| blobs.iter().all(|blob| net.is_complete(*node, blob)))
    });
    for node in &wanters {
        let liars = plan.liars.iter().map(|liar| any_other(*liar)).collect::<Vec<_>>();
        prop_assert!(
            net.nodes[*node].liars.iter().all(|liar| liars.contains(liar)),
            "only liars are called so"
        );
        for blob in &blobs {
            let (_, groups) = net.nodes[*node].exchange.held(&blob.id).expect("all of it");
            prop_assert!(groups.is_all());
        }
    }
    let duplicates = wanters.iter().map(|node| net.nodes[*node].exchange.duplicate_bytes()).max();
    Ok((net.now - begun, duplicates.unwrap_or_default()))
}

#[test]
fn what_somebody_honest_holds_comes_to_all_who_want_it() {
    let law = |plan: Plan| {
        let (took, duplicates) = play(&plan)?;
        prop_assert_eq!((took, duplicates), play(&plan)?, "the same twice");
        // Each of its peers was asked for what another had been asked for once, at most.
        let most = plan.nodes.len() as u64 * 256 * 1024 * plan.sizes.len() as u64;
        prop_assert!(duplicates <= most, "{} bytes twice", duplicates);
        Ok(())
    };
    runner(60).run(&plan(), law).expect("the law of blobs");
}
