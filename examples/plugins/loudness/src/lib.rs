//! How loud a sound is.

wit_bindgen::generate!({
    path: ["../../../wit/agpt-plugin.wit", "wit"],
    world: "local:loudness/loudness",
    generate_all,
});

/// What a silent sound is said to have; the logarithm of nothing has no value.
const SILENCE: f64 = -120.0;
/// Blocks quieter than this count as silence.
const GATE: f64 = -60.0;

fn decibels(amplitude: f64) -> f64 {
    if amplitude > 0.0 { (20.0 * amplitude.log10()).max(SILENCE) } else { SILENCE }
}

fn rms(samples: &[f32]) -> f64 {
    let power: f64 = samples.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum();
    (power / samples.len() as f64).sqrt()
}

fn peak(samples: &[f32]) -> f64 {
    samples.iter().fold(0.0, |most, sample| f64::from(sample.abs()).max(most))
}

fn level(rate: u32, samples: &[f32]) -> Result<Level, String> {
    // Blocks of 50 ms.
    let block = (rate / 20).max(1) as usize;
    if samples.len() < block {
        return Err("the sound is shorter than 50 ms".to_string());
    }
    let loud = |block: &&[f32]| decibels(rms(block)) > GATE;
    let blocks = samples.chunks_exact(block);
    let (count, active) = (blocks.len(), blocks.filter(loud).count());
    Ok(Level {
        // A sine at full scale has an amplitude of 1 and an RMS of its half power.
        rms: decibels(rms(samples) * std::f64::consts::SQRT_2),
        peak: decibels(peak(samples)),
        active: active as f64 / count as f64,
    })
}

struct Loudness;

impl Guest for Loudness {
    fn measure(sound: Speech) -> Result<Level, String> {
        level(sound.sample_rate, &sound.samples)
    }

    fn measure_music(sound: Music) -> Result<Level, String> {
        level(sound.sample_rate, &sound.samples)
    }

    fn normalise(mut sound: Speech, wanted: f64) -> Result<Speech, String> {
        let peak = peak(&sound.samples);
        if peak == 0.0 {
            return Err("a silent sound has no peak to raise".to_string());
        }
        let gain = 10f64.powf(wanted / 20.0) / peak;
        for sample in &mut sound.samples {
            *sample = (f64::from(*sample) * gain) as f32;
        }
        Ok(sound)
    }
}

export!(Loudness);
