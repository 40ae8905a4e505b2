#pragma once

#include <string>

#include "data/dataset/dataset.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr::test {

/// A COCO data set to be converted: pictures/a.jpg of 100 by 50 pixels, pictures/sub/b.png of 40 by 40, and a JSON file
/// for each split.
struct CocoSource {
  TemporaryFolder folder;

  CocoSource() {
    write_small_picture(folder / "pictures/a.jpg", 100, 50, 1);
    write_small_picture(folder / "pictures/sub/b.png", 40, 40, 2);
  }
  void add_split(const std::string& key, const std::string& json) {
    write_file(folder / (key + ".json"), json);
    yaml_ += key + ": {images: pictures, annotations: " + key + ".json}\n";
    write_file(folder / "d.yaml", yaml_);
  }
  DatasetConfig config() const { return load_dataset_config(folder / "d.yaml"); }

 private:
  std::string yaml_;
};

}  // namespace rtdetr::test
