//! New plugin projects.
