//! What is loaded where, and what goes when something else needs the room.

use crate::bundle::ComponentRole;

use super::components::device::Device;

struct Entry {
    role: ComponentRole,
    device: Device,
    bytes: u64,
    /// When it was used last.
    used: u64,
}

/// The components in memory.
#[derive(Default)]
pub(super) struct Resident {
    entries: Vec<Entry>,
    clock: u64,
    /// What the plan will still use, the next first; empty where nobody knows.
    pub upcoming: Vec<ComponentRole>,
}

impl Resident {
    pub fn add(&mut self, role: ComponentRole, device: Device, bytes: u64) {
        self.clock += 1;
        self.entries.push(Entry { role, device, bytes, used: self.clock });
    }

    pub fn touch(&mut self, role: ComponentRole) {
        self.clock += 1;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.role == role) {
            entry.used = self.clock;
        }
    }

    /// Bytes in use on a device.
    pub fn used(&self, device: Device) -> u64 {
        let there = self.entries.iter().filter(|entry| entry.device == device);
        there.map(|entry| entry.bytes).sum()
    }

    /// Takes out of the list what can best be missed on a device: what the plan needs no more,
    /// else what it needs last (Belady 1966); of several, what was not used for the longest time.
    pub fn dismiss(&mut self, device: Device) -> Option<(ComponentRole, u64)> {
        let next = |role| self.upcoming.iter().position(|other| *other == role);
        let there = self.entries.iter().enumerate().filter(|(_, entry)| entry.device == device);
        let missed = there.max_by_key(|(_, entry)| {
            (next(entry.role).unwrap_or(usize::MAX), u64::MAX - entry.used)
        });
        let place = missed?.0;
        let entry = self.entries.remove(place);
        Some((entry.role, entry.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Medium;

    #[test]
    fn what_is_needed_last_goes_first() {
        let image = ComponentRole::Tokenizer(Medium::Image);
        let speech = ComponentRole::Tokenizer(Medium::Speech);
        let music = ComponentRole::Tokenizer(Medium::Music);
        let mut resident = Resident::default();
        for (role, bytes) in [(image, 1), (speech, 2), (music, 4), (ComponentRole::Llm, 8)] {
            resident.add(role, Device::Cpu, bytes);
        }
        resident.add(ComponentRole::Detokenizer(Medium::Image), Device::Cuda(0), 16);
        resident.touch(image);
        assert_eq!(resident.used(Device::Cpu), 15);
        resident.upcoming = vec![ComponentRole::Llm, music, ComponentRole::Llm];
        // Neither is needed any more; speech was used longer ago.
        assert_eq!(resident.dismiss(Device::Cpu), Some((speech, 2)));
        assert_eq!(resident.dismiss(Device::Cpu), Some((image, 1)));
        assert_eq!(resident.dismiss(Device::Cpu), Some((music, 4)));
        assert_eq!(resident.dismiss(Device::Cpu), Some((ComponentRole::Llm, 8)));
        assert_eq!(resident.dismiss(Device::Cpu), None);
        assert_eq!(resident.used(Device::Cuda(0)), 16);
    }
}
