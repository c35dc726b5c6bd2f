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
    /// Who wants nothing for a moment, and when.
    pauses: Vec<(usize, u64)>,
    /// Who gives nothing of what it holds, and does not say so.
    silent: Vec<usize>,
}

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Leaves,
    Restarts,
    Pauses,
}

fn plan() -> impl Strategy<Value = Plan> {
    // Drawn in 32 bits, so that a browser draws the same plans as a native program.
    let index = || (0_u32..8).prop_map(|index| index as usize);
    let size = prop_oneof![1_u32..40_000, 100_000_u32..1_500_000].prop_map(|size| size as usize);
    // Of more than 16 peers not all are asked.
    let count = prop_oneof![4 => 3_usize..7, 1 => 18_usize..22];
    let nodes = count.prop_flat_map(|count| prop::collection::vec((100_u64..3_000, 1_u64..150), count));
    let sizes = prop::collection::vec(size, 1..4);
    let some = || prop::collection::vec((index(), 0_u64..4_000), 0..3);
    let holds = prop::collection::vec((index(), index()), 0..6);
    let liars = prop::collection::vec(index(), 0..2);
    let silent = prop::collection::vec(index(), 0..2);
    let events = (some(), some(), some());
    (nodes, sizes, holds, liars, silent, events).prop_map(
        |(nodes, sizes, holds, liars, silent, (leaves, restarts, pauses))| Plan {
            nodes,
            sizes,
            holds,
            liars,
            leaves,
            restarts,
            pauses,
            silent,
        },
    )
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
    plan.silent.iter().for_each(|silent| net.nodes[any_other(*silent)].is_deaf = true);
    let of = |what: What, list: &[(usize, u64)]| -> Vec<(u64, What, usize)> {
        list.iter().map(|(node, at)| (*at, what, any_other(*node))).collect()
    };
    let mut events = of(What::Leaves, &plan.leaves);
    events.extend(of(What::Restarts, &plan.restarts));
    events.extend(of(What::Pauses, &plan.pauses));
    events.sort_unstable();
    let wanters: Vec<usize> = (1..count).collect();
    wanters.iter().for_each(|wanter| blobs.iter().for_each(|blob| net.want(*wanter, blob)));
    let begun = net.now;
    let mut gone = Vec::new();
    for (at, what, node) in events {
        net.run((begun + at).saturating_sub(net.now));
        if gone.contains(&node) {
            continue;
        }
        match what {
            What::Leaves => {
                net.leave(node);
                gone.push(node);
                continue;
            }
            What::Restarts => {
                net.restart(node, 99);
                // Whoever left does not come back with it.
                gone.iter().for_each(|gone| net.tell(node, Input::Left(peer(*gone))));
            }
            What::Pauses => {
                blobs.iter().for_each(|blob| net.tell(node, Input::Unwant(blob.id)));
                net.run(50);
            }
        }
        blobs.iter().for_each(|blob| net.want(node, blob));
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
        // What was under way is asked for again after a pause, and comes twice.
        let all = plan.sizes.iter().sum::<usize>() as u64;
        let most = most + plan.pauses.len() as u64 * all;
        prop_assert!(duplicates <= most, "{} bytes twice", duplicates);
        Ok(())
    };
    runner(60).run(&plan(), law).expect("the law of blobs");
}
