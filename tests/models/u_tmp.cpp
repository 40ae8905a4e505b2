#include "tests/models/graph/test_fitted_pictures.cpp"
#include "tests/models/deploy/test_detector.cpp"
#include "tests/models/weights/test_checkpoint.cpp"
