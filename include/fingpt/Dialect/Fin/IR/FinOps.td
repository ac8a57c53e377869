#ifndef FINGPT_DIALECT_FIN_IR_FINOPS_TD
#define FINGPT_DIALECT_FIN_IR_FINOPS_TD

include "fingpt/Dialect/Fin/IR/FinWeightOps.td"
include "fingpt/Dialect/Fin/IR/FinTransformerOps.td"
include "fingpt/Dialect/Fin/IR/FinStateOps.td"

#endif // FINGPT_DIALECT_FIN_IR_FINOPS_TD
