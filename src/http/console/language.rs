//! Chooses the language of a page by `Accept-Language`.

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT_LANGUAGE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Korean,
}

impl Language {
    /// The first available language of the request, otherwise English.
    pub(super) fn preferred_by(request: &HttpRequest) -> Self {
        let header = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self::first_of(header.unwrap_or(""))
    }

    /// Ignores `q`: browsers list languages in the order of preference.
    fn first_of(header: &str) -> Self {
        let languages = header.split(',').map(|range| range.trim().get(..2).unwrap_or(""));
        let mut known = languages.filter_map(|language| match language.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "ko" => Some(Self::Korean),
            _ => None,
        });
        known.next().unwrap_or(Self::English)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn the_first_available_language_is_chosen() {
        for (header, language) in [
            ("", Language::English),
            ("ko", Language::Korean),
            ("ko-KR,ko;q=0.9,en;q=0.8", Language::Korean),
            ("en-GB, ko", Language::English),
            ("fr-FR, KO;q=0.5, en;q=0.1", Language::Korean),
            ("de, é, *", Language::English),
        ] {
            assert_eq!(Language::first_of(header), language, "{header}");
        }
    }
}
