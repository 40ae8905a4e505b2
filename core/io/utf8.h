#pragma once

#include <string>
#include <string_view>

namespace rtdetr {

/// Whether the text is UTF-8: no overlong forms, surrogates or values beyond U+10FFFF.
bool is_utf8(std::string_view text);
/// How many bytes from the beginning are.
std::size_t utf8_length(std::string_view text);

/// The first `most` bytes at most, cut between characters; exactly as many of bytes that are not UTF-8.
std::string_view first_characters(std::string_view text, std::size_t most);

/// The first `most` bytes, cut between characters, with "…" if something was cut: for messages.
std::string excerpt(std::string_view text, std::size_t most = 40);

/// Foreign bytes as ASCII for a message: what is not a plain character becomes \xNN, what is behind the first `most`
/// becomes "...".
std::string printable(std::string_view bytes, std::size_t most = 120);

/// The text with each control character, which a terminal may obey, as \xNN; tabs and line feeds stay.
std::string without_controls(std::string_view text);

}  // namespace rtdetr
