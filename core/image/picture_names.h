#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

/// Tells by names and first bytes what a file is that is no JPEG or PNG: to say it, not to read it.
namespace rtdetr {

/// ".jpg" of "A.JPG": in small letters, with the dot.
std::string lower_extension(const std::filesystem::path& file);

/// "BMP", "TIFF", "WebP", …: the picture format that the extension stands for, in any case; "" for JPEG, PNG and all
/// that is no picture's name.
std::string other_picture_format(const std::filesystem::path& file);

inline constexpr std::size_t kSignatureBytes = 24;
/// "a BMP picture", "a web page …": what a file is by its first kSignatureBytes bytes; "" if they tell nothing.
std::string format_by_content(std::span<const std::byte> start);

/// Whether a file or folder (its last name alone counts) is one that systems and tools leave in folders unasked: a
/// leading dot (macOS's ._a.jpg, .ipynb_checkpoints), __MACOSX, Thumbs.db, desktop.ini, @eaDir.
bool is_hidden(const std::filesystem::path& path);

/// Whether it is what macOS and archives leave where a list was made of a folder: a name that begins with "._", or a
/// folder __MACOSX, .ipynb_checkpoints or @eaDir on the way. Narrower than is_hidden: what a list names may well begin
/// with a dot.
bool is_leftover(const std::filesystem::path& path);

}  // namespace rtdetr
