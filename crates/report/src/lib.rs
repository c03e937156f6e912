//! Pictures and pages: contact sheets, curves, confusion matrices, maps and the self-contained HTML report.
