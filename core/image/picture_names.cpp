#include "core/image/picture_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr std::array<std::string_view, 3> kLeftoverFolders{"__MACOSX", ".ipynb_checkpoints", "@eaDir"};

bool is_leftover_folder(std::string_view name) {
  return std::find(kLeftoverFolders.begin(), kLeftoverFolders.end(), name) != kLeftoverFolders.end();
}

/// The formats that are read, by the ends of their files' names.
struct ReadFormat {
  const char* extension;
  const char* name;
};
constexpr std::array<ReadFormat, 7> kRead{{{".jpg", "JPEG"},
                                           {".jpeg", "JPEG"},
                                           {".png", "PNG"},
                                           {".webp", "WebP"},
                                           {".bmp", "BMP"},
                                           {".tif", "TIFF"},
                                           {".tiff", "TIFF"}}};

/// "a, b <last_word> c".
std::string listed(const std::vector<std::string>& words, const std::string& last_word) {
  return join({words.begin(), words.end() - 1}, ", ") + " " + last_word + " " + words.back();
}

/// Formats whose files begin with a four-letter brand behind "ftyp".
std::string format_of_brand(std::string_view brand) {
  if (brand == "avif" || brand == "avis") return "an AVIF picture";
  const bool heic = brand.starts_with("hei") || brand.starts_with("hev") || brand == "mif1" || brand == "msf1";
  return heic ? "a HEIC picture" : "a video";
}

}  // namespace

std::string lower_extension(const std::filesystem::path& file) { return lower_case(file.extension().string()); }

bool has_picture_extension(const std::filesystem::path& file) {
  const std::string extension = lower_extension(file);
  return std::any_of(kRead.begin(), kRead.end(),
                     [&](const ReadFormat& format) { return extension == format.extension; });
}

std::string picture_extensions() {
  std::vector<std::string> words;
  for (const ReadFormat& format : kRead) words.emplace_back(format.extension);
  return listed(words, "or");
}

std::string picture_format_names() {
  std::vector<std::string> words;
  for (const ReadFormat& format : kRead) words.emplace_back(format.name);
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return listed(words, "nor");
}

std::string other_picture_format(const std::filesystem::path& file) {
  static const std::map<std::string, std::string, std::less<>> formats{
      {".dib", "DIB"},     {".gif", "GIF"},       {".heic", "HEIC"},     {".heif", "HEIC"}, {".avif", "AVIF"},
      {".jxl", "JPEG XL"}, {".jp2", "JPEG 2000"}, {".j2k", "JPEG 2000"}, {".mpo", "MPO"},   {".jfif", "JFIF"},
      {".jpe", "JPE"},     {".dng", "raw"},       {".cr2", "raw"},       {".nef", "raw"},   {".arw", "raw"},
      {".psd", "PSD"},     {".ppm", "PNM"},       {".pgm", "PNM"},       {".pbm", "PNM"},   {".pnm", "PNM"},
      {".tga", "TGA"},     {".svg", "SVG"}};
  const auto found = formats.find(lower_extension(file));
  return found == formats.end() ? "" : found->second;
}

std::string format_by_content(std::span<const std::byte> start) {
  using namespace std::string_view_literals;
  static constexpr std::array<std::pair<std::string_view, const char*>, 14> kSignatures{{
      {"GIF8"sv, "a GIF picture"},
      {"II+\0"sv, "a BigTIFF picture"},
      {"MM\0+"sv, "a BigTIFF picture"},
      {"\xFF\x0A"sv, "a JPEG XL picture"},
      {"\0\0\0\x0CJXL "sv, "a JPEG XL picture"},
      {"\0\0\0\x0CjP  "sv, "a JPEG 2000 picture"},
      {"8BPS"sv, "a Photoshop file"},
      {"%PDF"sv, "a PDF"},
      {"\0\x05\x16\x07"sv, "what macOS leaves beside a file (AppleDouble)"},
      {"version https://git-lfs"sv, "a Git LFS pointer: 'git lfs pull' fetches what it stands for"},
      {"<!DOCTYPE html"sv, "a web page, as failed downloads leave it"},
      {"<!doctype html"sv, "a web page, as failed downloads leave it"},
      {"<html"sv, "a web page, as failed downloads leave it"},
      {"<svg"sv, "an SVG drawing"},
  }};
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  if (text.size() >= 12 && text.substr(4, 4) == "ftyp") return format_of_brand(text.substr(8, 4));
  for (const auto& [signature, format] : kSignatures) {
    if (text.starts_with(signature)) return format;
  }
  return "";
}

bool is_hidden(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (name.starts_with(".")) return name != "." && name != "..";
  return is_leftover_folder(name) || name == "Thumbs.db" || name == "desktop.ini";
}

bool is_leftover(const std::filesystem::path& path) {
  if (path.filename().string().starts_with("._")) return true;
  return std::any_of(path.begin(), path.end(),
                     [](const std::filesystem::path& part) { return is_leftover_folder(part.native()); });
}

}  // namespace rtdetr
