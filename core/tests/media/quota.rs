//! What is evicted: only strangers' blobs, the one shown longest ago first, no more than needed.

use std::collections::BTreeSet;

use chanterelle_core::base::{BlobId, Seconds};
use chanterelle_core::media::quota::{Kept, KeptFor, Quota, QuotaError};
use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::tree::runner;

fn kept(name: u8, size: u64, kept_for: KeptFor, pins: u32, shown: u64) -> Kept {
    Kept { id: BlobId([name; 32]), size, kept_for, pins, shown: Seconds(shown) }
}

fn names(evicted: &[BlobId]) -> Vec<u8> {
    evicted.iter().map(|id| id.0[0]).collect()
}

#[test]
fn the_one_shown_longest_ago_goes_first() {
    use KeptFor::{Followed, Own, Strangers};
    let quota = Quota::of(1_000);
    let all = [
        kept(1, 100, Strangers, 0, 30),
        kept(2, 100, Strangers, 0, 10),
        kept(3, 300, Own, 0, 1),
        kept(4, 100, Followed, 0, 2),
        kept(5, 300, Strangers, 1, 0),
        kept(6, 50, Strangers, 0, 20),
    ];
    assert_eq!(quota.evict(&all, 0, Strangers).map(|ids| names(&ids)), Ok(vec![]));
    assert_eq!(quota.evict(&all, 1, Strangers).map(|ids| names(&ids)), Ok(vec![2]), "their share is full");
    assert_eq!(quota.evict(&all, 101, Strangers).map(|ids| names(&ids)), Ok(vec![2, 6]));
    assert_eq!(quota.evict(&all, 250, Strangers).map(|ids| names(&ids)), Ok(vec![2, 6, 1]));
    assert_eq!(quota.evict(&all, 251, Strangers), Err(QuotaError::Share { need: 251, share: 250 }));
    assert_eq!(quota.evict(&all, 50, Own).map(|ids| names(&ids)), Ok(vec![]));
    assert_eq!(quota.evict(&all, 51, Followed).map(|ids| names(&ids)), Ok(vec![2]));
    assert_eq!(quota.evict(&all, 300, Own).map(|ids| names(&ids)), Ok(vec![2, 6, 1]));
    assert_eq!(quota.evict(&all, 301, Own), Err(QuotaError::Full { need: 301, kept: 700, total: 1_000 }));
}

#[test]
fn no_size_is_too_large() {
    let all = [kept(1, u64::MAX, KeptFor::Strangers, 0, 1), kept(2, u64::MAX, KeptFor::Strangers, 0, 2)];
    let quota = Quota::of(1_000);
    assert_eq!(quota.evict(&all, 10, KeptFor::Strangers).map(|ids| ids.len()), Ok(2));
    assert!(quota.evict(&all, u64::MAX, KeptFor::Own).is_err());
}

fn some_kept() -> impl Strategy<Value = Vec<Kept>> {
    use KeptFor::{Followed, Own, Pinned, Strangers};
    let class = prop::sample::select(vec![Strangers, Strangers, Strangers, Followed, Pinned, Own]);
    let one = (1_u64..500, class, prop_oneof![4 => Just(0_u32), 1 => 1_u32..3], 0_u64..50);
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(name, (size, class, pins, shown))| kept(name as u8, size, class, pins, shown)).collect()
    })
}

#[test]
fn what_is_evicted_is_strangers_the_oldest_and_just_enough() {
    let strategy = (some_kept(), 0_u64..3_000, any::<bool>(), 100_u64..10_000);
    let law = |(all, need, is_strangers, total): (Vec<Kept>, u64, bool, u64)| {
        let quota = Quota::of(total);
        let class = if is_strangers { KeptFor::Strangers } else { KeptFor::Own };
        let is_evictable = |kept: &&Kept| kept.kept_for == KeptFor::Strangers && kept.pins == 0;
        let firm: u64 = all.iter().filter(|kept| !is_evictable(kept)).map(|kept| kept.size).sum();
        let Ok(evicted) = quota.evict(&all, need, class) else {
            prop_assert!(firm + need > total || (is_strangers && need > quota.strangers));
            return Ok(());
        };
        let gone: BTreeSet<BlobId> = evicted.iter().copied().collect();
        prop_assert_eq!(gone.len(), evicted.len());
        let strangers: Vec<&Kept> = all.iter().filter(is_evictable).collect();
        prop_assert!(evicted.iter().all(|id| strangers.iter().any(|kept| kept.id == *id)));
        let fits = |gone: &BTreeSet<BlobId>| {
            let left: u64 =
                strangers.iter().filter(|kept| !gone.contains(&kept.id)).map(|kept| kept.size).sum();
            left + firm + need <= total && (!is_strangers || left + need <= quota.strangers)
        };
        prop_assert!(fits(&gone), "it fits then");
        if let Some(last) = evicted.last() {
            let mut fewer = gone.clone();
            fewer.remove(last);
            prop_assert!(!fits(&fewer), "and not before");
        }
        let newest_gone =
            strangers.iter().filter(|kept| gone.contains(&kept.id)).map(|kept| (kept.shown, kept.id)).max();
        let oldest_left =
            strangers.iter().filter(|kept| !gone.contains(&kept.id)).map(|kept| (kept.shown, kept.id)).min();
        prop_assert!(oldest_left.is_none_or(|left| newest_gone.is_none_or(|gone| gone < left)));
        Ok(())
    };
    runner(2_000).run(&strategy, law).expect("the law of eviction");
}

/// Whatever strangers post, and however much: what is kept for another reason stays, and theirs stays in its share.
#[test]
fn a_flood_evicts_nobody_elses() {
    let strategy = (some_kept(), prop::collection::vec(1_u64..400, 1..60));
    let law = |(mut all, flood): (Vec<Kept>, Vec<u64>)| {
        let quota = Quota::of(all.iter().map(|kept| kept.size).sum::<u64>() + 500);
        let firm: Vec<Kept> =
            all.iter().filter(|kept| kept.kept_for != KeptFor::Strangers || kept.pins > 0).copied().collect();
        for (at, size) in flood.into_iter().enumerate() {
            let Ok(evicted) = quota.evict(&all, size, KeptFor::Strangers) else { continue };
            all.retain(|kept| !evicted.contains(&kept.id));
            all.push(kept(100 + at as u8, size, KeptFor::Strangers, 0, 100 + at as u64));
            let theirs: u64 = all
                .iter()
                .filter(|kept| kept.kept_for == KeptFor::Strangers && kept.pins == 0)
                .map(|kept| kept.size)
                .sum();
            prop_assert!(theirs <= quota.strangers);
            prop_assert!(firm.iter().all(|firm| all.contains(firm)));
        }
        Ok(())
    };
    runner(500).run(&strategy, law).expect("the law of floods");
}
