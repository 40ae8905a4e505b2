#include "core/image/picture_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr std::array<std::string_view, 3> kLeftoverFolders{"__MACOSX", ".ipynb_checkpoints", "@eaDir"};

bool is_leftover_folder(std::string_view name) {
  return std::find(kLeftoverFolders.begin(), kLeftoverFolders.end(), name) != kLeftoverFolders.end();
}

/// Formats whose files begin with a four-letter brand behind "ftyp".
std::string format_of_brand(std::string_view brand) {
  if (brand == "avif" || brand == "avis") return "an AVIF picture";
  const bool heic = brand.starts_with("hei") || brand.starts_with("hev") || brand == "mif1" || brand == "msf1";
  return heic ? "a HEIC picture" : "a video";
}

}  // namespace

std::string lower_extension(const std::filesystem::path& file) { return lower_case(file.extension().string()); }

std::string other_picture_format(const std::filesystem::path& file) {
  static const std::map<std::string, std::string, std::less<>> formats{
      {".bmp", "BMP"},       {".dib", "BMP"},       {".tif", "TIFF"},  {".tiff", "TIFF"}, {".webp", "WebP"},
      {".gif", "GIF"},       {".heic", "HEIC"},     {".heif", "HEIC"}, {".avif", "AVIF"}, {".jxl", "JPEG XL"},
      {".jp2", "JPEG 2000"}, {".j2k", "JPEG 2000"}, {".mpo", "MPO"},   {".jfif", "JFIF"}, {".jpe", "JPE"},
      {".dng", "raw"},       {".cr2", "raw"},       {".nef", "raw"},   {".arw", "raw"},   {".psd", "PSD"},
      {".ppm", "PNM"},       {".pgm", "PNM"},       {".pbm", "PNM"},   {".pnm", "PNM"},   {".tga", "TGA"},
      {".svg", "SVG"}};
  const auto found = formats.find(lower_extension(file));
  return found == formats.end() ? "" : found->second;
}

std::string format_by_content(std::span<const std::byte> start) {
  using namespace std::string_view_literals;
  static constexpr std::array<std::pair<std::string_view, const char*>, 15> kSignatures{{
      {"BM"sv, "a BMP picture"},
      {"GIF8"sv, "a GIF picture"},
      {"II*\0"sv, "a TIFF picture"},
      {"MM\0*"sv, "a TIFF picture"},
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
  if (text.size() >= 12 && text.starts_with("RIFF") && text.substr(8, 4) == "WEBP") return "a WebP picture";
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
