// Row-major matrices: a view that owns nothing, and an owner.
//
//   Matrix<double> h(1536, 1536);                 // zeros
//   MatrixView<double> block = h.block(0, 0, 128, 128);   // rows 0..127, stride 1536
//   MatrixView<const float> w{data, 576, 1536};   // a mapped tensor [out, in]
//
// A weight is [out, in] and samples are [tokens, in], as everywhere in fingpt.
#ifndef FINGPT_COMPRESS_MATRIX_H
#define FINGPT_COMPRESS_MATRIX_H

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fingpt::compress {

template <typename T> struct MatrixView {
  T *data = nullptr;
  int64_t rows = 0, cols = 0;
  int64_t stride = 0; ///< elements from one row to the next

  MatrixView() = default;
  MatrixView(T *data, int64_t rows, int64_t cols, int64_t stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}
  MatrixView(T *data, int64_t rows, int64_t cols) : MatrixView(data, rows, cols, cols) {}

  operator MatrixView<const T>() const { return {data, rows, cols, stride}; }
  T &operator()(int64_t i, int64_t j) const { return data[i * stride + j]; }
  T *row(int64_t i) const { return data + i * stride; }
  MatrixView block(int64_t row, int64_t col, int64_t height, int64_t width) const {
    assert(row + height <= rows && col + width <= cols);
    return {data + row * stride + col, height, width, stride};
  }
  MatrixView rowRange(int64_t begin, int64_t end) const {
    return block(begin, 0, end - begin, cols);
  }
};

template <typename T> class Matrix {
public:
  Matrix() = default;
  /// A matrix of zeros.
  Matrix(int64_t rows, int64_t cols)
      : storage(static_cast<size_t>(rows * cols)), height(rows), width(cols) {}
  /// A copy, converted.
  template <typename U> explicit Matrix(MatrixView<U> source) : Matrix(source.rows, source.cols) {
    for (int64_t i = 0; i < height; ++i)
      for (int64_t j = 0; j < width; ++j)
        (*this)(i, j) = static_cast<T>(source(i, j));
  }

  int64_t rows() const { return height; }
  int64_t cols() const { return width; }
  bool empty() const { return storage.empty(); }
  T *data() { return storage.data(); }
  const T *data() const { return storage.data(); }
  T &operator()(int64_t i, int64_t j) { return storage[static_cast<size_t>(i * width + j)]; }
  const T &operator()(int64_t i, int64_t j) const {
    return storage[static_cast<size_t>(i * width + j)];
  }
  T *row(int64_t i) { return data() + i * width; }
  const T *row(int64_t i) const { return data() + i * width; }
  MatrixView<T> view() { return {data(), height, width}; }
  MatrixView<const T> view() const { return {data(), height, width}; }
  operator MatrixView<T>() { return view(); }
  operator MatrixView<const T>() const { return view(); }
  MatrixView<T> block(int64_t row, int64_t col, int64_t h, int64_t w) {
    return view().block(row, col, h, w);
  }
  MatrixView<const T> block(int64_t row, int64_t col, int64_t h, int64_t w) const {
    return view().block(row, col, h, w);
  }

private:
  std::vector<T> storage;
  int64_t height = 0, width = 0;
};

/// The views that most functions take.
using ConstMatrixF = MatrixView<const float>;
using ConstMatrixD = MatrixView<const double>;

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_MATRIX_H
