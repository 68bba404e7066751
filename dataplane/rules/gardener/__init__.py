"""Gardener's own validation and defaulting, one file per subject, upstream's texts and order.

Sources: gardener/gardener, `pkg/apis/core/validation`, `pkg/apis/extensions/validation`,
`pkg/utils/validation/cidr`, `pkg/apis/core/v1beta1/defaults_*.go`, `plugin/pkg/shoot/*`. Each
function returns what it finds wrong, in upstream's order; paths are absolute.
"""
