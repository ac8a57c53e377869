// Weights that make good what the layers before them lost.
//
// Once layers before a linear are compressed, it sees x̃ in place of x. The outputs closest to
// the original ones, min ‖x̃·w'ᵀ − (x·wᵀ + h − h̃)‖², come from
//
//   w' = w + (w·Eᵀ + Rᵀ)·H'⁻¹,   H = Σ x̃ᵀx̃,  E = Σ x̃ᵀ(x − x̃),  R = Σ x̃ᵀ(h − h̃)
//
// where h − h̃ is what the residual stream has lost already, for a linear that adds to it, and H'
// is damped, so that w' stays near w where the samples say little (after GPTAQ, arXiv:2504.02692,
// and Qronos, arXiv:2505.11695). Samples may have weights, the same ones in all sums. What is
// rounded then is w'.
#ifndef FINGPT_COMPRESS_CORRECTION_H
#define FINGPT_COMPRESS_CORRECTION_H

#include "fingpt/Compress/Gram.h"

namespace fingpt::compress {

/// w' of w [out, in], h and drift [in, in], residual [in, out] or empty. `damping` is the fraction
/// of the mean diagonal added to H. Empty, for w itself, where the correction outweighs what it
/// corrects, tr(Δ·H'·Δᵀ) > tr(w·H·wᵀ): a stream has then lost more than one linear can make good
/// (a token of giant magnitude, say), and layer after layer would outdo the last in trying. Error:
/// shapes that do not match, H that cannot be factored.
Result<Matrix<float>> correctedWeight(ConstMatrixF w, ConstMatrixD h, ConstMatrixD drift,
                                      ConstMatrixD residual, double damping);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_CORRECTION_H
