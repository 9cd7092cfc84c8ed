//! The faults and their times. Once the quiet period begins, no fault occurs any more, and
//! everything broken is repaired.

use kirc_core::port::{Input, ReadFrom, Service, Topic};

use crate::host::{CLUSTERS, Host, is_log};
use crate::plan::Kind;
use crate::rng::Dice;
use crate::world::{Event, World};

/// Something that goes wrong (or ends to). Of which cluster the service is, the event says.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The machine's next effects end in a crash.
    Crash(usize),
    /// The owner ends the node in order.
    Shutdown(usize),
    /// An end in order has taken too long: the process is killed.
    Kill(usize, u64),
    /// The machine stands still for so many ms, from between two of its next effects.
    Pause(usize, u64),
    /// It moves again.
    Resume(usize, u64),
    /// A partition between machine and service begins, for so many ms.
    Cut(usize, Service, u64),
    /// It ends.
    Mend(usize, Service),
    /// The signal service forgets everything.
    Flush,
    /// The mailbox service comes back without its records.
    Vanish,
    /// The same, as soon as everybody is there: what only somebody holds who comes later is not
    /// added any more.
    VanishBeforeAll,
    /// Of each log only so many records are kept.
    Trim(usize),
    /// The signal service forgets one key.
    Forget,
    /// A wall clock jumps by so many ms.
    Jump(usize, i64),
    /// The mailbox service's clock jumps forward.
    ServiceJump(u64),
    /// The hostile node claims to lead.
    Usurp,
    /// Whoever leads stands still for so many ms.
    PauseLeader(u64),
}

/// Puts all faults of a plan into the queue.
pub fn schedule(world: &mut World, dice: &mut Dice) {
    let faults = world.plan.faults;
    let (active, hosts) = (world.plan.active, world.hosts.len());
    let leaders = world.plan.kind == Kind::Pauses;
    let when = |dice: &mut Dice| dice.range(2_000, active - 2_000);
    // The first to join is the likeliest to lead.
    let who = |dice: &mut Dice| {
        if leaders && dice.chance(400) { dice.index(2) } else { dice.index(hosts) }
    };
    let mut plan: Vec<(u64, Fault)> = Vec::new();
    for _ in 0..faults.crashes {
        plan.push((when(dice), Fault::Crash(who(dice))));
    }
    for _ in 0..faults.shutdowns {
        plan.push((when(dice), Fault::Shutdown(who(dice))));
    }
    for _ in 0..faults.pauses {
        let long = if dice.chance(300) { 45_000 } else { 12_000 };
        plan.push((when(dice), Fault::Pause(who(dice), dice.range(500, long))));
    }
    for (count, service) in [(faults.cut_mailbox, Service::Mailbox), (faults.cut_signals, Service::Signals)] {
        for _ in 0..count {
            let ms = dice.range(300, 25_000);
            plan.push((when(dice), Fault::Cut(who(dice), service, ms)));
        }
    }
    for _ in 0..faults.signal_outages {
        let (at, ms) = (when(dice), dice.range(5_000, 40_000));
        plan.extend((0..hosts).map(|h| (at, Fault::Cut(h, Service::Signals, ms))));
    }
    for _ in 0..faults.flushes {
        plan.push((when(dice), Fault::Flush));
    }
    for _ in 0..faults.vanishes {
        plan.push((dice.range(20_000, active - 2_000), Fault::VanishBeforeAll));
    }
    for _ in 0..faults.key_losses {
        plan.push((when(dice), Fault::Forget));
    }
    for _ in 0..faults.jumps {
        let far = if dice.chance(200) { 3_600_000 } else { 120_000 };
        let by = dice.range(0, 2 * far) as i64 - far as i64;
        plan.push((when(dice), Fault::Jump(dice.index(hosts), by)));
    }
    for _ in 0..faults.service_jumps {
        plan.push((when(dice), Fault::ServiceJump(dice.range(100, 20_000))));
    }
    for _ in 0..if faults.hostile { dice.range(0, 4) } else { 0 } {
        plan.push((when(dice), Fault::Usurp));
    }
    for _ in 0..faults.zombies {
        plan.push((when(dice), Fault::PauseLeader(dice.range(5_000, 13_000))));
    }
    let mut aside = dice.aside();
    for (at, fault) in plan {
        let cluster = if world.plan.two_clusters() { aside.index(CLUSTERS.len()) } else { 0 };
        world.at(at, Event::FaultOf(cluster, fault));
    }
}

impl World {
    /// The mailbox of a cluster loses its records; its readers find their places anew.
    fn vanish(&mut self, cluster: usize) {
        self.mailbox.vanish(CLUSTERS[cluster]);
        self.witness.vanished.push(self.now);
        for index in 0..self.hosts.len() {
            let life = self.hosts[index].life;
            let readers = self.hosts[index].readers.iter().filter(|(t, _)| t.cluster == CLUSTERS[cluster]);
            let readers: Vec<_> = readers.map(|(topic, r)| (topic.clone(), r.id, r.next)).collect();
            for (topic, id, next) in readers {
                // Nobody reads two lives of a topic with one reader.
                if let Some(reader) = self.hosts[index].readers.get_mut(&topic) {
                    reader.placed = false;
                }
                self.after(50, Event::Place(index, life, topic, id, ReadFrom::At(next)));
            }
        }
    }

    /// Something goes wrong; if with a service, with the first cluster's.
    pub fn fail(&mut self, fault: Fault) {
        self.fail_of(0, fault);
    }

    /// Something goes wrong; if with a service, with this cluster's.
    pub fn fail_of(&mut self, cluster: usize, fault: Fault) {
        if self.quiet && !matches!(fault, Fault::Mend(..) | Fault::Resume(..) | Fault::Kill(..)) {
            return;
        }
        self.note(|_| match cluster {
            0 => format!("{fault:?}"),
            _ => format!("{fault:?} of {}", CLUSTERS[cluster]),
        });
        match fault {
            Fault::Crash(host) => self.hosts[host].doomed = true,
            Fault::Shutdown(host) => self.shut_down(host),
            Fault::Kill(host, life) => {
                if self.hosts[host].life == life && self.hosts[host].node.is_some() {
                    self.witness.unstopped.push((self.now, host));
                    self.crash(host, "after an end in order that did not come");
                }
            }
            Fault::Pause(host, ms) => self.hosts[host].drowsy = Some(ms),
            Fault::Resume(host, until) => {
                if self.hosts[host].paused == Some(until) {
                    self.resume(host);
                }
            }
            Fault::Cut(host, service, ms) => {
                *self.cuts(host, service, cluster) += 1;
                let told = self.dice.range(300, 4_000);
                self.tell(host, service, cluster, told);
                self.after(ms, Event::FaultOf(cluster, Fault::Mend(host, service)));
            }
            Fault::Mend(host, service) => {
                let cuts = self.cuts(host, service, cluster);
                *cuts = cuts.saturating_sub(1);
                if *cuts == 0 {
                    self.mended(host, service, cluster);
                }
            }
            Fault::Flush => self.signals[cluster].flush(),
            Fault::Vanish => self.vanish(cluster),
            Fault::VanishBeforeAll => {
                let there = |h: &Host| h.awake() && h.cut_mailbox[cluster] == 0 && !h.stopping;
                if self.hosts.iter().all(there) {
                    self.vanish(cluster);
                } else {
                    self.after(500, Event::FaultOf(cluster, fault));
                }
            }
            Fault::Trim(left) => self.mailbox.trim(CLUSTERS[cluster], left),
            Fault::Forget => {
                let key = self.signals[cluster].forget_one(&mut self.dice);
                self.note(|_| format!("forgotten: {key:?}"));
            }
            Fault::Jump(host, by) => self.hosts[host].wall += by,
            Fault::ServiceJump(by) => self.service_clock[cluster] += by,
            Fault::Usurp => self.usurp(),
            Fault::PauseLeader(ms) => {
                let leads = |h: &usize| crate::check::leads(self, *h);
                if let Some(host) = (0..self.hosts.len()).find(leads) {
                    self.hosts[host].drowsy = Some(ms);
                }
            }
        }
    }

    fn usurp(&mut self) {
        let Some(hostile) = &self.hostile else { return };
        let host = hostile.host;
        if !self.hosts[host].awake() {
            return;
        }
        let claim = hostile.claim(&mut self.dice, &self.hosts[host]);
        if let Some((name, bytes)) = claim {
            let key = name.folded().into_bytes();
            if let Some(topic) = self.log_of(&key) {
                self.send(host, None, topic, key, bytes, 0);
            }
        }
    }

    /// The partition of the log in which records of this key stand.
    fn log_of(&self, key: &[u8]) -> Option<Topic> {
        let holds = |p: &crate::mailbox::Partition| p.records().iter().any(|r| r.key == key);
        let mut logs = self.mailbox.partitions().filter(|(t, _)| is_log(&t.name));
        logs.find(|(_, p)| holds(p)).map(|(topic, _)| topic.clone())
    }

    fn cuts(&mut self, host: usize, service: Service, cluster: usize) -> &mut u32 {
        match service {
            Service::Signals => &mut self.hosts[host].cut_signals[cluster],
            Service::Mailbox | Service::Store => &mut self.hosts[host].cut_mailbox[cluster],
        }
    }

    /// A node learns after so many ms how it is with a service of its own cluster. Of others it is
    /// told nothing.
    fn tell(&mut self, host: usize, service: Service, cluster: usize, after: u64) {
        let life = self.hosts[host].life;
        if self.hosts[host].home == cluster {
            self.after(after, Event::Status(host, life, service));
        }
    }

    fn mended(&mut self, host: usize, service: Service, cluster: usize) {
        let told = self.dice.range(50, 1_500);
        self.tell(host, service, cluster, told);
        if service == Service::Mailbox {
            self.look_again(host);
        }
    }

    fn shut_down(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if !host.awake() || host.stopping {
            return;
        }
        host.stopping = true;
        let life = host.life;
        self.feed(index, vec![Input::Shutdown]);
        self.after(25_000, Event::Fault(Fault::Kill(index, life)));
    }

    /// A node has ended in order; its owner starts it again later.
    pub fn stopped(&mut self, index: usize) {
        self.note(|w| format!("{} has ended", w.hosts[index].nick));
        self.go_down(index);
    }

    /// A process dies. What it had appended may still land.
    pub fn crash(&mut self, index: usize, place: &str) {
        self.note(|w| format!("{} crashes {place}", w.hosts[index].nick));
        if self.dice.chance(300) {
            // The machine, too, starts anew.
            self.hosts[index].boot = self.dice.range(1_000, 10_000_000);
        }
        self.go_down(index);
    }

    fn go_down(&mut self, index: usize) {
        self.lose_words(index);
        self.hosts[index].lose();
        self.people[index].joined.clear();
        let long = if self.quiet { 2_000 } else { 15_000 };
        let delay = self.dice.range(50, long);
        self.after(delay, Event::Boot(index));
    }

    /// A process stands still.
    pub fn pause(&mut self, index: usize, ms: u64) {
        self.note(|w| format!("{} stands still for {ms}", w.hosts[index].nick));
        let until = self.now + ms;
        self.hosts[index].paused = Some(until);
        self.at(until, Event::Fault(Fault::Resume(index, until)));
    }

    /// All faults end.
    pub fn calm_down(&mut self) {
        self.note(|_| "quiet".to_owned());
        self.quiet = true;
        for index in 0..self.hosts.len() {
            self.hosts[index].doomed = false;
            self.hosts[index].drowsy = None;
            for cluster in 0..CLUSTERS.len() {
                for service in [Service::Mailbox, Service::Signals] {
                    if std::mem::take(self.cuts(index, service, cluster)) > 0 {
                        self.mended(index, service, cluster);
                    }
                }
            }
            let off = self.dice.range(0, 2_000) as i64 - 1_000;
            self.hosts[index].wall = off;
            self.resume(index);
            if self.hosts[index].node.is_none() {
                self.boot(index);
            }
        }
    }
}
