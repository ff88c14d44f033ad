"""Networks of anyone in ONNX files: audited by measurement, repaired, run by ONNX Runtime."""
