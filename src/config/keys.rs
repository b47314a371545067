//! Keys of components, declared once.

/// One key of a component.
#[derive(Debug)]
pub struct KeySpec {
    /// Its name.
    pub name: &'static str,
}

/// The keys of one component, as the file has them.
pub struct Scope<'a> {
    _file: &'a str,
}
