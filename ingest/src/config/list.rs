//! List: a setting of several values with commas between. An empty one is an empty list: deployments set variables that they have no value for.

use std::str::FromStr;

/// Values with commas between; blanks around them do not count, nor does nothing between two commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromStr> FromStr for List<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let values = text.split(',').map(str::trim).filter(|value| !value.is_empty());
        values.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn nothing_is_an_empty_list_and_blanks_and_spare_commas_do_not_count() {
        let list = |text: &str| text.parse::<List<IpAddr>>().expect("a list").0;
        assert!(list("").is_empty() && list(" , ").is_empty());
        assert_eq!(
            list("127.0.0.1, ::1,"),
            ["127.0.0.1", "::1"].map(|one| one.parse::<IpAddr>().expect("is one"))
        );
        assert!("127.0.0.1,localhost".parse::<List<IpAddr>>().is_err());
    }
}
