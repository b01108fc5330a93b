//! JUnit's XML, as continuous integration reads it.

use std::fmt::Write as _;

use crate::base::markup::escape;

/// One test of the report.
pub struct Case {
    pub file: String,
    pub title: String,
    pub seconds: f64,
    /// What failed, if it did.
    pub failure: Option<String>,
}

pub fn xml(cases: &[Case]) -> String {
    let failures = cases.iter().filter(|case| case.failure.is_some()).count();
    let seconds: f64 = cases.iter().map(|case| case.seconds).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites><testsuite name=\"agpt\" tests=\"{}\" failures=\"{failures}\" time=\"{seconds:.3}\">",
        cases.len()
    );
    for case in cases {
        let (file, title) = (escape(&case.file), escape(&case.title));
        let _ = write!(
            out,
            "  <testcase classname=\"{file}\" name=\"{title}\" time=\"{:.3}\"",
            case.seconds
        );
        let _ = match &case.failure {
            None => writeln!(out, "/>"),
            Some(text) => writeln!(out, "><failure>{}</failure></testcase>", escape(text)),
        };
    }
    out.push_str("</testsuite></testsuites>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_cannot_break_the_report() {
        let case = |title: &str, failure: Option<&str>| Case {
            file: "a&b.agpt".into(),
            title: title.into(),
            seconds: 0.25,
            failure: failure.map(str::to_string),
        };
        let report = xml(&[case("<\"x\">\u{1b}", None), case("y", Some("1 < 2"))]);
        assert_eq!(
            report,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites><testsuite name=\"agpt\" tests=\"2\" failures=\"1\" time=\"0.500\">\n  <testcase classname=\"a&amp;b.agpt\" name=\"&lt;&quot;x&quot;&gt;\u{fffd}\" time=\"0.250\"/>\n  <testcase classname=\"a&amp;b.agpt\" name=\"y\" time=\"0.250\"><failure>1 &lt; 2</failure></testcase>\n</testsuite></testsuites>\n"
        );
    }
}
