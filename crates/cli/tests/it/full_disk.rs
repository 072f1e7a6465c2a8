//! A full disk under a node and under the device: a clear error, nothing lost, nothing signed.

use std::path::{Path, PathBuf};

use crate::chain::new_address;
use crate::process::command;
use crate::world::{World, new_request};

/// A small disk; only root can have one.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let options = ["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"];
        let mounted =
            command("mount").args(options).arg(folder).output().is_ok_and(|out| out.status.success());
        if !mounted {
            eprintln!("SKIPPED: no small disk can be mounted here (needs root)");
        }
        mounted.then(|| Self(folder.into()))
    }

    /// Takes all that is free.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = command("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let disks = std::cell::RefCell::new(Vec::new());
    let world = World::start_in("info", |folder| {
        let found: Option<Vec<Disk>> =
            ["cosigner", "device"].iter().map(|name| Disk::mount(&folder.join(name))).collect();
        found.map(|found| *disks.borrow_mut() = found).is_some()
    });
    let Some(world) = world else { return };
    let disks = disks.into_inner();
    let [node, device] = disks.as_slice() else { panic!("two disks") };
    let account = world.funded();
    let nonce = world.chain.nonce(&account.address);
    let pay = || world.pay(&account, &new_address(), &new_request()).run();

    node.fill();
    let (code, message) = pay().failed(1);
    assert!(code == "refused" && message.contains("`cosigner`") && message.contains("store"), "{message}");
    let ran = world.device(["account", "create"]).run();
    let (code, message) = ran.failed(1);
    assert!(code == "account-failed" && message.contains("`cosigner`"), "{message}");
    node.free();
    world.assert_spendable(&account);

    device.fill();
    for ran in [pay(), world.device(["account", "create"]).run()] {
        let (_, message) = ran.failed(1);
        let says = message.contains("free some space") || message.contains("No space left");
        assert!(says && message.contains("device"), "{message}");
    }
    device.free();
    world.assert_spendable(&account);
    assert_eq!(world.chain.nonce(&account.address), nonce + 2, "only what was paid is on the chain");
    assert_eq!(world.listed(), (vec![account.id.clone()], vec![account.id.clone()]));
    world.create(&[]);
}
