#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

/// Which names pictures have that are read, and what a file is by name and first bytes that is not: to say it, not to
/// read it.
namespace rtdetr {

/// True for the extensions of the formats that are read, in any case: .jpg .jpeg .png .webp .bmp .tif .tiff.
bool has_picture_extension(const std::filesystem::path& file);
/// ".jpg, .jpeg, .png, .webp, .bmp, .tif or .tiff" and "JPEG, PNG, WebP, BMP nor TIFF", for messages.
std::string picture_extensions();
std::string picture_format_names();

/// ".jpg" of "A.JPG": in small letters, with the dot.
std::string lower_extension(const std::filesystem::path& file);

/// "GIF", "HEIC", …: the picture format that the extension stands for and that is not read, in any case; "" for
/// those that are and all that is no picture's name.
std::string other_picture_format(const std::filesystem::path& file);

inline constexpr std::size_t kSignatureBytes = 24;
/// "a GIF picture", "a web page …": what a file is by its first kSignatureBytes bytes; "" if they tell nothing.
std::string format_by_content(std::span<const std::byte> start);

/// Whether a file or folder (its last name alone counts) is one that systems and tools leave in folders unasked: a
/// leading dot (macOS's ._a.jpg, .ipynb_checkpoints), __MACOSX, Thumbs.db, desktop.ini, @eaDir.
bool is_hidden(const std::filesystem::path& path);

/// Whether it is what macOS and archives leave where a list was made of a folder: a name that begins with "._", or a
/// folder __MACOSX, .ipynb_checkpoints or @eaDir on the way. Narrower than is_hidden: what a list names may well begin
/// with a dot.
bool is_leftover(const std::filesystem::path& path);

}  // namespace rtdetr
