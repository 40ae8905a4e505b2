#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rtdetr {

/// A text in the letters that Canvas can draw, ASCII: Latin letters lose their marks ("Käfer" → "Kafer", "Straße" →
/// "Strasse"), any other character shows as '?'.
std::string drawable_text(std::string_view text);

/// A class's name so that it can be told from the others' when it is drawn: where a character would show as '?',
/// "class N" stands for the words up to and with the last such one.
///
/// @param name   may go on with a number, as label_text's: "赤血球 0.93" → "class 3 0.93"
/// @param index  of the class in its list, from 0
std::string drawable_name(std::string_view name, std::int64_t index);

/// ASCII with "..." for its middle where it has more than `most` letters: what tells names apart stands at either end.
std::string shortened(const std::string& ascii, std::size_t most);

}  // namespace rtdetr
