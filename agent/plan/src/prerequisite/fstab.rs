//! `/etc/fstab`: lines of swap are commented with hactl's mark, and no byte of any other line is touched.

/// What stands before a line that hactl switched off; removing it brings the line back.
pub(super) const MARK: &str = "# hactl: ";

/// Devices of the lines that bring swap at boot: type `swap`, without the option `noauto` (`fstab(5)`).
pub(super) fn swap_devices(text: &str) -> Vec<&str> {
    text.lines().filter_map(swap_device).collect()
}

/// The text with each of those lines commented.
pub(super) fn comment_swap(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + MARK.len());
    for line in text.split_inclusive('\n') {
        if swap_device(line).is_some() {
            out.push_str(MARK);
        }
        out.push_str(line);
    }
    out
}

fn swap_device(line: &str) -> Option<&str> {
    let mut fields = line
        .split([' ', '\t', '\r', '\n'])
        .filter(|field| !field.is_empty());
    let device = fields.next().filter(|field| !field.starts_with('#'))?;
    let kind = fields.nth(1)?;
    let options = fields.next().unwrap_or_default();
    (kind == "swap" && !options.split(',').any(|option| option == "noauto")).then_some(device)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Debian's installer, with a swap partition, a swap file and one that is off already.
    const DEBIAN: &str = "\
# /etc/fstab: static file system information.
UUID=8f0d /               ext4    errors=remount-ro 0       1
UUID=77aa none            swap    sw              0       0
  /swapfile\tnone\tswap\tsw,pri=5\t0\t0
#/dev/sdb1 none swap sw 0 0
/dev/sdc1 none swap noauto,sw 0 0
/dev/sr0        /media/swap   udf,iso9660 user,noauto     0       0
";

    #[test]
    fn lines_of_swap_are_commented_with_the_mark() {
        assert_eq!(swap_devices(DEBIAN), ["UUID=77aa", "/swapfile"]);
        insta::assert_snapshot!(comment_swap(DEBIAN), @r##"
        # /etc/fstab: static file system information.
        UUID=8f0d /               ext4    errors=remount-ro 0       1
        # hactl: UUID=77aa none            swap    sw              0       0
        # hactl:   /swapfile	none	swap	sw,pri=5	0	0
        #/dev/sdb1 none swap sw 0 0
        /dev/sdc1 none swap noauto,sw 0 0
        /dev/sr0        /media/swap   udf,iso9660 user,noauto     0       0
        "##);
        assert!(swap_devices(&comment_swap(DEBIAN)).is_empty());
    }

    #[test]
    fn odd_files_are_read_as_mount_reads_them() {
        for (text, devices) in [
            ("", vec![]),
            ("/dev/sda2 none swap sw 0 0", vec!["/dev/sda2"]),
            ("/dev/sda2 none swap\r\n", vec!["/dev/sda2"]),
            ("/dev/sda2 none\n", vec![]),
            ("LABEL=swap /swap ext4 defaults\n", vec![]),
            ("\u{0}\u{1}\n swap swap swapfs\n", vec![]),
        ] {
            assert_eq!(swap_devices(text), devices, "{text:?}");
        }
        assert_eq!(
            comment_swap("/dev/sda2 none swap\r\n"),
            "# hactl: /dev/sda2 none swap\r\n"
        );
    }

    proptest! {
        /// Taking the mark away gives the very bytes back, whatever the file says.
        #[test]
        fn nothing_but_the_mark_is_added(lines in proptest::collection::vec(
            prop_oneof![
                Just("UUID=1 none swap sw 0 0".to_owned()),
                Just("\t/swapfile none   swap defaults".to_owned()),
                Just("# a swap swap".to_owned()),
                ".{0,40}",
            ], 0..12), end in prop_oneof![Just("\n"), Just("\r\n"), Just("")])
        {
            let text: String = lines.join("\n") + end;
            prop_assume!(!text.contains(MARK));
            let commented = comment_swap(&text);
            prop_assert_eq!(commented.replace(MARK, ""), text);
            prop_assert!(swap_devices(&commented).is_empty());
            prop_assert_eq!(comment_swap(&commented), commented);
        }
    }
}
