//! Names that microscopes and well-known collections give their files, one file a channel.
//!
//! Each name is such that photographs are hardly called so. Where a GUID stands, the last digit before it is the channel.

/// A ready pattern.
pub(super) struct Ready {
    /// Whose names they are.
    pub(super) maker: &'static str,
    /// See [`super::Pattern`].
    pub(super) pattern: &'static str,
    /// Channels and what they are called; where these are known, there are no others.
    pub(super) channels: &'static [(&'static str, &'static str)],
}

impl Ready {
    /// What a channel is called; nothing of one that is none.
    pub(super) fn name_of(&self, channel: &str) -> Option<String> {
        if self.channels.is_empty() {
            return Some(channel.into());
        }
        let known = self.channels.iter().find(|(value, _)| value.eq_ignore_ascii_case(channel));
        known.map(|(_, name)| (*name).into())
    }
}

const fn any(maker: &'static str, pattern: &'static str) -> Ready {
    Ready { maker, pattern, channels: &[] }
}

const fn bbbc021(pattern: &'static str) -> Ready {
    Ready { maker: "BBBC021", pattern, channels: &[("1", "DAPI"), ("2", "Tubulin"), ("4", "Actin")] }
}

const fn incucyte(pattern: &'static str) -> Ready {
    let channels = &[
        ("phase", "Phase"),
        ("green", "Green"),
        ("red", "Red"),
        ("orange", "Orange"),
        ("nir", "NIR"),
        ("brightfield", "Brightfield"),
    ];
    Ready { maker: "Incucyte", pattern, channels }
}

/// All of them. Of two that explain as many files, the first counts.
pub(super) const READY: &[Ready] = &[
    // Caie et al. 2010, as the Broad Bioimage Benchmark Collection has it: folders are plates.
    bbbc021(
        "{plate:Week#_#}/{*:Week#_#}_{well}_s{site:#}_w{channel:0}{*:????????-????-????-????-????????????}",
    ),
    bbbc021("{plate:Week#_#}/{well}_s{site:#}_w{channel:0}{*:????????-????-????-????-????????????}"),
    bbbc021("{batch:Week#_#}_{well}_s{site:#}_w{channel:0}{*:????????-????-????-????-????????????}"),
    // MetaXpress; names without a plate are those of RxRx too.
    any("ImageXpress", "{plate}_{well}_s{site:#}_w{channel:0}{*:????????-????-????-????-????????????}"),
    any("ImageXpress", "{well}_s{site:#}_w{channel:0}{*:????????-????-????-????-????????????}"),
    any("ImageXpress", "{plate}_{well}_s{site:#}_w{channel:0}_[{*}]"),
    any("ImageXpress", "{plate}_{well}_s{site:#}_w{channel:#}_z{z:#}"),
    any("ImageXpress", "{plate}_{well}_s{site:#}_w{channel:#}"),
    any("ImageXpress", "{well}_s{site:#}_w{channel:#}_z{z:#}"),
    any("ImageXpress", "{well}_s{site:#}_w{channel:#}"),
    any("ImageXpress", "{plate}_{well}_w{channel:0}{*:????????-????-????-????-????????????}"),
    any("ImageXpress", "{plate}_{well}_w{channel:0}_[{*}]"),
    any("ImageXpress", "{plate}_{well}_w{channel:#}"),
    any("ImageXpress", "{well}_w{channel:#}"),
    // Operetta and Opera Phenix; before them Opera, exported by Columbus.
    any("Harmony", "r{row:#}c{column:#}f{site:#}p{z:#}-ch{channel:#}sk{t:#}fk{*:#}fl{*:#}"),
    any("Opera", "{row:000}{column:000}-{site:#}-{z:000}{t:000}{channel:000}"),
    // Yokogawa. The action (A) differs from channel to channel.
    any("CellVoyager", "{plate}_{well}_T{t:#}F{site:#}L{*:#}A{*:#}Z{z:#}C{channel:#}"),
    any("CellVoyager", "W{well:#}F{site:#}T{t:#}Z{z:#}C{channel:#}"),
    incucyte("{plate}_{channel:@}_{well}_{site:#}_{t:#d#h#m}"),
    incucyte("{channel:@}_{well}_{site:#}_{t:#d#h#m}"),
    incucyte("{plate}_{channel:@}_{well}_{site:#}_{t:#y#m#d_#h#m}"),
    incucyte("{channel:@}_{well}_{site:#}_{t:#y#m#d_#h#m}"),
    any("ArrayScan", "{plate}_{well}f{site:#}d{channel:#}"),
    any("scanR", "{plate}--W{well:#}--P{site:#}--Z{z:#}--T{t:#}--{channel}"),
    any("scanR", "--W{well:#}--P{site:#}--Z{z:#}--T{t:#}--{channel}"),
    any("IN Cell", "{row:@} - {column:#}(fld {site:#} wv {channel})"),
    any("IN Cell", "{row:@} - {column:#}(fld {site:#} wv {channel} z {z:#})"),
    any("IN Cell", "{row:@} - {column:#}(wv {channel})"),
    any("HCS exports", "Channel {channel:#}-{*:#}-{row:@}-{column:#}-{site:#}"),
    any("LAS X", "{field}_ch{channel:00}"),
    Ready {
        maker: "Human Protein Atlas",
        pattern: "{id:????????-????-????-????-????????????}_{channel:@}",
        channels: &[("red", "red"), ("green", "green"), ("blue", "blue"), ("yellow", "yellow")],
    },
];

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use super::*;

    /// The first ready pattern that a name fits: its maker and what it says.
    fn first(path: &str) -> Option<String> {
        READY.iter().find_map(|ready| {
            let pattern = Pattern::parse(ready.pattern).unwrap();
            let fit = pattern.fit(path)?;
            let said = pattern.names().iter().zip(fit.values).filter(|(name, _)| !name.is_empty());
            let said: Vec<String> = said.map(|(name, value)| format!("{name}={value}")).collect();
            Some(format!("{}: {}", ready.maker, said.join(" ")))
        })
    }

    #[test]
    fn each_makers_names_are_known() {
        const GUID: &str = "648EE446-12C2-4D22-B14B-6EC688B0744A";
        for (path, said) in [
            (
                &format!("Week2_24121/Week2_180607_B02_s1_w1{GUID}.tif")[..],
                "BBBC021: plate=Week2_24121 well=B02 site=1 channel=1",
            ),
            (
                &format!("Week4/Week4_27481/G10_s1_w4{GUID}.tif"),
                "BBBC021: plate=Week4_27481 well=G10 site=1 channel=4",
            ),
            (
                &format!("Week2_180607_B02_s1_w1{GUID}.tif"),
                "BBBC021: batch=Week2_180607 well=B02 site=1 channel=1",
            ),
            (
                &format!("plate_7_B02_s12_w1{GUID}.tif"),
                "ImageXpress: plate=plate_7 well=B02 site=12 channel=1",
            ),
            (
                "101210OranePlt1_C16_w1_[9AA4D9EA-18E4].tif",
                "ImageXpress: plate=101210OranePlt1 well=C16 channel=1",
            ),
            ("HUVEC-01/Plate1/AA02_s2_w6.png", "ImageXpress: well=AA02 site=2 channel=6"),
            ("TimePoint_1/A01_s1_w2_z3.tif", "ImageXpress: well=A01 site=1 channel=2 z=3"),
            ("Images/r01c12f03p01-ch2sk1fk1fl1.tiff", "Harmony: row=01 column=12 site=03 z=01 channel=2 t=1"),
            ("003012-4-001002003.tif", "Opera: row=003 column=012 site=4 z=001 t=002 channel=003"),
            (
                "Greiner_#655090_B02_T0001F004L01A02Z01C02.tif",
                "CellVoyager: plate=Greiner_#655090 well=B02 t=0001 site=004 z=01 channel=02",
            ),
            ("W3F001T0001Z01C1.tif", "CellVoyager: well=3 site=001 t=0001 z=01 channel=1"),
            (
                "VID1709_phase_A1_1_00d04h00m.tif",
                "Incucyte: plate=VID1709 channel=phase well=A1 site=1 t=00d04h00m",
            ),
            (
                "Green_H12_4_2020y03m05d_12h00m.tif",
                "Incucyte: channel=Green well=H12 site=4 t=2020y03m05d_12h00m",
            ),
            (
                "AS_09125_050116030001_D03f00d2.tif",
                "ArrayScan: plate=AS_09125_050116030001 well=D03 site=00 channel=2",
            ),
            (
                "--W00001--P00002--Z00000--T00003--cherry.tif",
                "scanR: well=00001 site=00002 z=00000 t=00003 channel=cherry",
            ),
            ("B - 03(fld 01 wv DAPI - DAPI).tif", "IN Cell: row=B column=03 site=01 channel=DAPI - DAPI"),
            ("Channel 2-12-A-12-00.tif", "HCS exports: channel=2 row=A column=12 site=00"),
            (&format!("{GUID}_yellow.png"), &format!("Human Protein Atlas: id={GUID} channel=yellow")),
        ] {
            assert_eq!(first(path).as_deref(), Some(said), "{path}");
        }
    }

    #[test]
    fn photographs_have_other_names() {
        for path in [
            "IMG_0001.jpg",
            "DSC01234.JPG",
            "2020-03-05 12.00.00.jpg",
            "cat/cat_w1.png",
            "n02442845_10212.JPEG",
            "ISIC_0024306.jpg",
            "BA_1002.jpg",
            "image_000001.png",
            "car_red.png",
            "slide1_x100_y200.png",
            "1.png",
            "patient003_frame01_gt.png",
            "Week4_27801_B04_s4_B854BE0D_23.png",
            "PLLT0017_19--ex2005_07_06--sp2005_04_12--tt19--c5___P00365_01___T00064___X0746___Y0848____img.png",
        ] {
            assert_eq!(first(path), None, "{path}");
        }
    }
}
