//! Who acts: names of users of the operating system.

/// The name of a user, or `uid:N` for one without a name.
pub fn user_name(uid: u32) -> String {
    match uzers::get_user_by_uid(uid) {
        Some(user) => user.name().to_string_lossy().into_owned(),
        None => format!("uid:{uid}"),
    }
}

/// The user who runs this program, and this program as a place.
pub fn local_actor() -> (String, String) {
    (user_name(uzers::get_current_uid()), format!("local pid {}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_and_strangers_have_numbers() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(4_000_000_001), "uid:4000000001");
    }
}
