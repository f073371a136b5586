//! A node's name plate: the whole names behind the numbers of its identity. Written once a boot.

use hactl_proto::name::{NodeName, ZoneName};

use super::wire::{Malformed, Reader, put_text};

/// What a node is called, and in which zone it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePlate {
    /// Its name.
    pub node: NodeName,
    /// Its zone.
    pub zone: ZoneName,
}

const FORMAT: u8 = 1;

impl NamePlate {
    /// Format, name, zone.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_text(&mut out, self.node.as_str(), 253);
        put_text(&mut out, self.zone.as_str(), 63);
        out
    }

    /// Reads what [`NamePlate::encode`] wrote. Bytes behind are a later version's and are left alone.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader::new(body);
        if from.u8("format")? != FORMAT {
            return Err(Malformed::Range("format"));
        }
        let node = NodeName::new(from.text("node name")?);
        let zone = ZoneName::new(from.text("zone name")?);
        Ok(Self {
            node: node.map_err(|_| Malformed::Range("node name"))?,
            zone: zone.map_err(|_| Malformed::Range("zone name"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_plate_reads_back_and_a_wrong_name_does_not() {
        let plate = NamePlate {
            node: NodeName::new("cp1.example.org").unwrap(),
            zone: ZoneName::new("a").unwrap(),
        };
        let body = plate.encode();
        assert_eq!(NamePlate::decode(&body), Ok(plate));
        for cut in 0..body.len() {
            assert!(NamePlate::decode(&body[..cut]).is_err(), "cut at {cut}");
        }
        let wrong = [&[FORMAT, 2][..], b"A!", &[1], b"a"].concat();
        assert_eq!(
            NamePlate::decode(&wrong),
            Err(Malformed::Range("node name"))
        );
    }
}
