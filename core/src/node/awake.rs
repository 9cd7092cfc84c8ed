//! A map whose values have wake-up times. The cost of an input depends only on the values it
//! touches: the map does not query the wake-up times of untouched values again.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use crate::ids::Millis;

/// A value that needs a wake-up at certain times.
pub(super) trait Wakes {
    /// When it is due (monotonic), if ever.
    fn wake(&self) -> Option<Millis>;
}

/// Values by key, and the due ones.
#[derive(Debug)]
pub(super) struct Awake<K, V> {
    all: BTreeMap<K, V>,
    /// The wake-up time of each value, as of the last query.
    times: BTreeMap<K, Millis>,
    /// The same, earliest first.
    due: BTreeSet<(Millis, K)>,
    /// The values that may have changed since.
    touched: BTreeSet<K>,
}

impl<K: Ord + Clone, V: Wakes> Awake<K, V> {
    /// Creates the map; all values count as new.
    pub fn new(all: BTreeMap<K, V>) -> Self {
        let touched = all.keys().cloned().collect();
        Self { all, times: BTreeMap::new(), due: BTreeSet::new(), touched }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.all.get(key)
    }

    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if !self.touched.contains(key) {
            let (key, _) = self.all.get_key_value(key)?;
            self.touched.insert(key.clone());
        }
        self.all.get_mut(key)
    }

    pub fn insert(&mut self, key: K, value: V) {
        self.touched.insert(key.clone());
        self.all.insert(key, value);
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.touched.insert(key.clone());
        self.all.remove(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.all.keys()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.all.iter()
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.all.values()
    }

    /// All values, mutable: each will be queried again.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.touched = self.all.keys().cloned().collect();
        self.all.iter_mut()
    }

    /// The same, without the keys.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// The keys of values that may have changed since [`Self::settle`].
    pub fn touched(&self) -> impl Iterator<Item = &K> {
        self.touched.iter()
    }

    /// Queries the wake-up times of the values that may have changed, and returns their keys.
    pub fn settle(&mut self) -> BTreeSet<K> {
        let touched = std::mem::take(&mut self.touched);
        for key in &touched {
            let time = self.all.get(key).and_then(V::wake);
            let before = match time {
                Some(time) => self.times.insert(key.clone(), time),
                None => self.times.remove(key),
            };
            if before == time {
                continue;
            }
            if let Some(before) = before {
                self.due.remove(&(before, key.clone()));
            }
            if let Some(time) = time {
                self.due.insert((time, key.clone()));
            }
        }
        touched
    }

    /// The keys that are due, once settled.
    pub fn due(&self, now: Millis) -> Vec<K> {
        self.due.iter().take_while(|(time, _)| *time <= now).map(|(_, key)| key.clone()).collect()
    }

    /// When the first value is due, once settled.
    pub fn wake(&self) -> Option<Millis> {
        debug_assert_eq!(
            self.due.first().map(|(time, _)| *time),
            self.all.values().filter_map(V::wake).min(),
            "something changed that was not taken hold of"
        );
        self.due.first().map(|(time, _)| *time)
    }
}

impl<K: Ord + Clone, V: Wakes + Default> Awake<K, V> {
    /// The value of a key, created if missing.
    pub fn or_default(&mut self, key: K) -> &mut V {
        self.touched.insert(key.clone());
        self.all.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Wakes for Option<Millis> {
        fn wake(&self) -> Option<Millis> {
            *self
        }
    }

    proptest! {
        #[test]
        fn whoever_is_due_is_found(steps in prop::collection::vec((0..6_u8, 0..5_u8, prop::option::of(0..9_u64)), 0..60)) {
            let mut awake: Awake<u8, Option<Millis>> = Awake::new(BTreeMap::from([(9, Some(3))]));
            for (what, key, time) in steps {
                match what {
                    0 => awake.insert(key, time),
                    1 => drop(awake.remove(&key)),
                    2 => awake.values_mut().for_each(|value| *value = time),
                    3 => *awake.or_default(key) = time,
                    _ => drop(awake.get_mut(&key).map(|value| *value = time)),
                }
                awake.settle();
                let first = awake.values().filter_map(|value| *value).min();
                prop_assert_eq!(awake.wake(), first);
                let mut due = awake.due(4);
                due.sort_unstable();
                let expected: Vec<u8> =
                    awake.iter().filter(|(_, value)| value.is_some_and(|t| t <= 4)).map(|(key, _)| *key).collect();
                prop_assert_eq!(due, expected);
            }
        }
    }
}
